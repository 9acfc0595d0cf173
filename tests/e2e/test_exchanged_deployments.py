"""Deployments that trade places: no call goes nowhere, and what was accepted stays where its caller looks for it."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from craft_ai_sdk import Input, Output

from tests.e2e.gates import Gate
from tests.platforms import Platform, eventually

SOURCE = """
def main(gate=None):
    if gate:
        import urllib.request
        urllib.request.urlopen(gate).read()
    return {{"version": {version}}}
"""


def _version(platform: Platform, version: int) -> str:
    source = SOURCE.format(version=version)
    return platform.create_pipeline(source, [Input("gate", "string")], [Output("version", "number")])


def _pair(platform: Platform, mode: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An endpoint, and the one that takes its place, with the same token."""
    old = platform.deploy(_version(platform, 1), mode)
    return old, platform.deploy(_version(platform, 2), mode, endpoint_token=old["endpoint_token"])


def _exchange(platform: Platform, name: str, other: str) -> None:
    with platform.http() as http:
        answer = http.post(f"/api/v1/deployments/{name}/exchange", json={"with": other})
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == name


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_no_call_fails_while_an_endpoint_is_exchanged(platform: Platform, mode: str) -> None:
    old, new = _pair(platform, mode)
    seen: Counter[object] = Counter()
    ended = threading.Event()

    def call() -> None:
        headers = {"Authorization": f"EndpointToken {old['endpoint_token']}"}
        with httpx.Client(headers=headers, timeout=60) as client:
            while not ended.is_set():
                answer = client.post(f"{platform.url}/endpoints/{old['endpoint_url_path']}", json={})
                seen[answer.json()["outputs"]["version"] if answer.status_code == 200 else answer.text] += 1

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        _wait_for(seen, 1)
        _exchange(platform, old["name"], new["name"])
        _wait_for(seen, 2)
        platform.sdk.update_deployment(new["name"], is_enabled=False)  # the one that was old
    finally:
        ended.set()
        for caller in callers:
            caller.join()
    assert set(seen) == {1, 2}
    assert platform.call(old).json()["outputs"] == {"version": 2}


def _wait_for(seen: Counter[object], version: int) -> None:
    assert eventually(lambda: seen[version] >= 3 or any(isinstance(key, str) for key in seen))


def test_what_the_earlier_deployment_accepted_ends_and_is_found_at_the_same_address(
    platform: Platform, gate: Gate
) -> None:
    old, new = _pair(platform, "low_latency")
    asked = platform.call(old, {"gate": gate.url}, headers={"Prefer": "respond-async"})
    assert gate.arrived.acquire(timeout=30)
    _exchange(platform, old["name"], new["name"])
    platform.sdk.update_deployment(new["name"], is_enabled=False)
    gate.opened.set()
    result = httpx.get(asked.headers["location"], timeout=60)
    assert result.json()["outputs"] == {"version": 1}
    wrapped = platform.sdk.retrieve_endpoint_results(old["name"], asked.json()["execution_id"], old["endpoint_token"])
    assert wrapped["outputs"] == {"version": 1}


def test_results_stay_with_the_token_that_they_were_asked_for_with(platform: Platform) -> None:
    ends = [platform.deploy(_version(platform, 1)), platform.deploy(_version(platform, 2))]
    asked = [platform.call(end, headers={"Prefer": "respond-async"}) for end in ends]
    _exchange(platform, ends[0]["name"], ends[1]["name"])
    for version, end, other, call in zip((1, 2), ends, reversed(ends), asked, strict=True):
        name, execution_id = end["name"], call.json()["execution_id"]
        assert httpx.get(call.headers["location"], timeout=60).json()["outputs"] == {"version": version}
        wrapped = platform.sdk.retrieve_endpoint_results(name, execution_id, end["endpoint_token"])
        assert wrapped["outputs"] == {"version": version}
        elsewhere = f"{platform.url}/endpoints/{other['endpoint_url_path']}/executions/{execution_id}"
        assert httpx.get(f"{elsewhere}?token={other['endpoint_token']}").status_code == 404
        assert httpx.get(f"{elsewhere}?token={end['endpoint_token']}").status_code == 401


def test_a_token_that_is_renewed_opens_what_was_asked_for_at_its_endpoint(platform: Platform) -> None:
    old = platform.deploy(_version(platform, 1))
    other = platform.deploy(_version(platform, 2))
    asked = platform.call(old, headers={"Prefer": "respond-async"})
    platform.sdk.generate_new_endpoint_token(old["name"], "renewed-token-of-the-old-one")
    _exchange(platform, old["name"], other["name"])
    assert platform.call(old).status_code == 401
    renewed = old | {"endpoint_token": "renewed-token-of-the-old-one"}
    assert platform.call(renewed).json()["outputs"] == {"version": 2}
    assert httpx.get(asked.headers["location"]).status_code == 401
    moved = asked.headers["location"].partition("?")[0] + "?token=renewed-token-of-the-old-one"
    assert httpx.get(moved, timeout=60).json()["outputs"] == {"version": 1}


def test_an_exchange_holds_after_a_restart(tmp_path: Path) -> None:
    platform = Platform(tmp_path).start()
    try:
        old, new = _pair(platform, "low_latency")
        _exchange(platform, old["name"], new["name"])
        platform.kill()
        platform.start()
        assert platform.call(old).json()["outputs"] == {"version": 2}
        assert platform.sdk.get_deployment(new["name"])["pipeline"]["name"] == old["pipeline"]["name"]
    finally:
        platform.stop()
