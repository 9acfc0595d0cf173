"""What does not fit on the machine now waits, says for what, and gets it in its turn, through a killed server too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from craft_ai_sdk import Input

from pipeyard import CraftAiSdk
from tests.e2e.gates import Gate
from tests.platforms import Platform, eventually

SOURCE = """
import urllib.request
def main(gate):
    if gate:
        urllib.request.urlopen(gate)
    return {}
"""
WAITS = "waits for 200 MiB of memory; 100 MiB of 300 MiB is free, 1 pod has the rest"


@pytest.fixture
def small_platform(tmp_path: Path) -> Iterator[Platform]:
    """Its pods may have 300 MiB together."""
    platform = Platform(tmp_path, stop_grace_s=0.5, pods_ram_max_bytes=300 << 20).start()
    yield platform
    platform.stop()
    assert platform.processes() == []


def client(platform: Platform) -> CraftAiSdk:
    return CraftAiSdk(platform.credentials["CRAFT_AI_SDK_TOKEN"], platform.url, control_url=platform.url)


def test_what_does_not_fit_waits_its_turn_and_says_for_what(small_platform: Platform, gate: Gate) -> None:
    inputs = [Input("gate", "string")]
    large = small_platform.create_pipeline(SOURCE, inputs, ram_request="200MiB")
    small = small_platform.create_pipeline(SOURCE, inputs, ram_request="90MiB")
    with client(small_platform) as sdk:
        running, waiting = (
            sdk.run_pipeline(large, {"gate": url}, wait_for_completion=False)["execution_id"] for url in (gate.url, "")
        )
        assert gate.arrived.acquire(timeout=20)
        behind = sdk.run_pipeline(small, {"gate": ""}, wait_for_completion=False)["execution_id"]
        eventually(lambda: "1 other waits" in sdk.get_pipeline_execution(behind)["pending_reason"])
        assert sdk.get_pipeline_execution(waiting)["pending_reason"] == WAITS
    small_platform.kill()
    small_platform.start()
    with client(small_platform) as sdk:
        eventually(lambda: sdk.get_pipeline_execution(waiting).get("pending_reason") == WAITS)
        sdk.create_deployment(large, "live", "endpoint", "low_latency", wait_for_completion=False)
        eventually(lambda: sdk.get_deployment("live")["pending_reason"])
        assert sdk.get_deployment("live")["status"] == "creation_pending"
        gate.opened.set()
        ids = (running, waiting, behind)
        eventually(lambda: {sdk.get_pipeline_execution(one)["status"] for one in ids} == {"Succeeded"})
        assert sdk.get_deployment("live", wait_for_completion=True)["status"] == "up"
        assert sdk.get_deployment("live")["pending_reason"] is None
