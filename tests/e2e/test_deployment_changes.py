"""Deployments that change while things happen: one pod at most, nothing left behind, nobody held for nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from craft_ai_sdk import Input, Output

from tests.e2e.gates import Gate
from tests.e2e.test_restart import _lines, _pipeline, _result, _trigger
from tests.platforms import Platform, eventually


@pytest.fixture
def small_platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path, elastic_max_pods=1, stop_grace_s=0.5).start()
    yield platform
    platform.stop()
    assert platform.processes() == []


def _pods(platform: Platform) -> int:
    return len(list((platform.data_dir / "pods").iterdir()))


def test_enabling_many_times_at_once_gives_one_pod(small_platform: Platform) -> None:
    platform = small_platform
    deployment = platform.deploy(_pipeline(platform), "low_latency")
    path = f"/api/v1/deployments/{deployment['name']}"
    with platform.http() as http, ThreadPoolExecutor(6) as callers:
        for enabled in (False, True):
            done = list(callers.map(lambda _: http.patch(path, json={"is_enabled": enabled}), range(6)))  # noqa: B023
            assert {answer.status_code for answer in done} == {200}
        assert platform.call(deployment, {"number": 1}).status_code == 200
        assert _pods(platform) == 1
        http.delete(path)
    assert eventually(lambda: _pods(platform) == 0)


def test_enabling_again_while_it_drains_keeps_the_pod_and_what_it_runs(small_platform: Platform, gate: Gate) -> None:
    platform = small_platform
    deployment = platform.deploy(_pipeline(platform), "low_latency")
    running = _trigger(platform, deployment, {"gate": gate.url, "number": 1})
    assert gate.arrived.acquire(timeout=30)
    platform.sdk.update_deployment(deployment["name"], is_enabled=False)
    platform.sdk.update_deployment(deployment["name"], is_enabled=True)
    later = _trigger(platform, deployment, {"number": 2})
    platform.kill()
    gate.opened.set()
    platform.start()
    assert (_result(platform, running), _result(platform, later)) == ({"number": 1}, {"number": 2})
    assert _lines(platform, later) == ["before 2", "after 2"]
    assert _pods(platform) == 1


def test_elastic_executions_beyond_what_the_machine_may_hold_are_pending(small_platform: Platform, gate: Gate) -> None:
    platform = small_platform
    deployment = platform.deploy(_pipeline(platform))
    first = _trigger(platform, deployment, {"gate": gate.url, "number": 1})
    assert gate.arrived.acquire(timeout=30)
    second = _trigger(platform, deployment, {"number": 2})
    assert platform.sdk.get_pipeline_execution(second)["status"] == "Pending"
    gate.opened.set()
    assert (_result(platform, first), _result(platform, second)) == ({"number": 1}, {"number": 2})


def test_an_execution_that_is_deleted_while_its_pod_starts_frees_its_place(small_platform: Platform) -> None:
    platform = small_platform
    name = platform.create_pipeline("import time\ndef main(): time.sleep(1000)")
    for _ in range(4):
        deployment = platform.deploy(name)
        _trigger(platform, deployment, {})
        platform.sdk.delete_deployment(deployment["name"])
    honest = platform.deploy(platform.create_pipeline("def main(): return {}"))
    assert platform.call(honest, {}).status_code == 200


def test_deleting_does_not_wait_for_an_import_that_takes_for_ever(small_platform: Platform) -> None:
    platform = small_platform
    name = platform.create_pipeline("import time\ntime.sleep(1000)\ndef main(): pass")
    platform.sdk.create_deployment(name, "slow", "endpoint", "low_latency", wait_for_completion=False)
    platform.sdk.delete_deployment("slow")
    assert eventually(lambda: _pods(platform) == 0)


def test_a_deployment_that_could_not_be_created_stays_so_after_a_restart(small_platform: Platform) -> None:
    platform = small_platform
    name = platform.create_pipeline("raise ValueError('no')\ndef main(): pass")
    with pytest.raises(Exception, match="CreationFailed"):
        platform.sdk.create_deployment(name, "broken", "endpoint", "low_latency")
    platform.signal(signal.SIGTERM)
    platform.start()
    broken = platform.sdk.get_deployment("broken")
    assert broken["status"] == "creation_failed"
    assert platform.call(broken, {}).status_code == 409


def test_a_renewed_token_is_never_undone(platform: Platform) -> None:
    deployment = platform.deploy(platform.create_pipeline("def main(): return {}"))
    path = f"/api/v1/deployments/{deployment['name']}"
    with platform.http() as http, ThreadPoolExecutor(2) as callers:
        for turn in range(20):
            other = callers.submit(http.patch, path, json={"is_enabled": bool(turn % 2)})
            renewed = http.post(f"/api/v1/endpoints/{deployment['name']}/generate-new-token").json()
            other.result()
            assert http.get(path).json()["endpoint_token"] == renewed["endpoint_token"]


def test_the_code_of_an_execution_gets_no_endpoint_token_and_no_right_to_change(platform: Platform) -> None:
    source = """
    import json, os, urllib.error, urllib.request

    def ask(method, path, token=None, body=None):
        headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + token} if token else {})
        data = None if body is None else json.dumps(body).encode()
        url = os.environ["CRAFT_AI_ENVIRONMENT_URL"] + "/api/v1" + path
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def main(name):
        body = {"refresh_token": os.environ["CRAFT_AI_SDK_TOKEN"]}
        token = ask("POST", "/auth/refresh", None, body)[1]["access_token"]
        shown = ask("GET", "/deployments/" + name, token)[1]
        refused = ask("DELETE", "/deployments/" + name, token)[0]
        return {"shown": sorted(shown), "refused": refused, "token": os.environ["CRAFT_AI_SDK_TOKEN"]}
    """
    outputs = [Output("shown", "json"), Output("refused", "number"), Output("token", "string")]
    deployment = platform.deploy(platform.create_pipeline(source, [Input("name", "string")], outputs))
    said = platform.call(deployment, {"name": deployment["name"]}).json()["outputs"]
    assert "endpoint_url_path" in said["shown"]
    assert "endpoint_token" not in said["shown"]
    assert said["refused"] == 403
    with platform.http() as http:  # the execution has ended, and its token with it
        assert http.post("/api/v1/auth/refresh", json={"refresh_token": said["token"]}).status_code == 401
