"""Cancelling through a real server: what waits never runs, what runs is ended, and no caller is kept waiting."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from craft_ai_sdk import Input, Output

from pipeyard import ConflictError, CraftAiSdk
from tests.e2e.gates import Gate
from tests.platforms import Platform, eventually

SOURCE = """
import urllib.request

def main(gate=None):
    if gate:
        print("before")
        urllib.request.urlopen(gate, timeout=60).read()
        print("after")
    return {"done": True}
"""


def _pipeline(platform: Platform) -> str:
    return platform.create_pipeline(SOURCE, [Input("gate", "string")], [Output("done", "boolean")])


def _trigger(platform: Platform, deployment: dict[str, Any], gate: Gate) -> str:
    answer = platform.call(deployment, {"gate": gate.url}, headers={"Prefer": "respond-async"})
    return str(answer.json()["execution_id"])


def _client(platform: Platform) -> CraftAiSdk:
    return CraftAiSdk(platform.credentials["CRAFT_AI_SDK_TOKEN"], environment_url=platform.url, verbose_log=False)


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_what_runs_is_ended_what_waits_never_runs_and_a_held_call_is_answered_at_once(
    platform: Platform, gate: Gate, mode: str
) -> None:
    deployment = platform.deploy(_pipeline(platform), mode)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(platform.call(deployment, {"gate": gate.url})))
    caller.start()
    assert gate.arrived.acquire(timeout=20)
    with _client(platform) as sdk:
        (row,) = sdk.list_executions(deployment_name=deployment["name"])
        waiting = _trigger(platform, deployment, gate) if mode == "low_latency" else None
        if waiting is not None:
            assert sdk.cancel_execution(waiting)["failure"]["kind"] == "cancelled"
        cancelled = sdk.cancel_execution(row["execution_id"])
        caller.join()
        assert cancelled["status"] == "Failed"
        assert answers[0].json()["message"] == cancelled["failure"]["message"] == "cancelled by pipeyard"
        assert answers[0].json()["additional_data"]["reason"] == "cancelled"
        lines = [line["message"] for line in sdk.follow_execution_logs(row["execution_id"])]
        assert lines[0] == "before"
        assert "after" not in lines
        if waiting is not None:
            assert sdk.get_pipeline_execution(waiting)["steps"][0]["start_date"] is None
        with pytest.raises(ConflictError, match="has ended, it is Failed") as caught:
            sdk.cancel_execution(row["execution_id"])
        assert caught.value.additional_data == {"status": "Failed"}
    assert platform.call(deployment, {}).json()["outputs"] == {"done": True}


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_what_was_cancelled_ends_though_the_server_was_killed_before_its_process(
    own_platform: Platform, gate: Gate, mode: str
) -> None:
    platform = own_platform
    stubborn = SOURCE.replace("    return", "    while gate: pass\n    return").replace(
        "def main", "import signal\n\ndef main"
    )
    stubborn = stubborn.replace("    if gate:", "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    if gate:", 1)
    pipeline = platform.create_pipeline(stubborn, [Input("gate", "string")], [Output("done", "boolean")])
    deployment = platform.deploy(pipeline, mode)
    execution_id = _trigger(platform, deployment, gate)
    assert gate.arrived.acquire(timeout=20)
    with platform.http() as http:
        assert http.post(f"/api/v1/executions/{execution_id}/cancel").status_code == 200
    platform.kill()
    platform.start()
    assert platform.call(deployment, {}).json()["outputs"] == {"done": True}, "its place is free"
    assert platform.sdk.get_pipeline_execution(execution_id)["status"] == "Failed"
    if mode == "elastic":
        eventually(lambda: not any(execution_id in _command(pid) for pid in platform.processes()))


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""
