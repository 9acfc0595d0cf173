"""What a caller was told of survives the server: kill -9, SIGTERM, Ctrl-C, `pipeyard down`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from craft_ai_sdk import Input, Output

from tests.e2e.gates import Gate
from tests.platforms import PIPEYARD, Platform, eventually

FINAL = {"Succeeded", "Failed", "Error"}

WAITS_AT_A_GATE = """
import urllib.request

def main(gate, number):
    print("before", number)
    if gate:
        urllib.request.urlopen(gate, timeout=60).read()
    print("after", number)
    return {"number": number}
"""


def _pipeline(platform: Platform) -> str:
    return platform.create_pipeline(
        WAITS_AT_A_GATE, [Input("gate", "string"), Input("number", "number")], [Output("number", "number")]
    )


def _trigger(platform: Platform, deployment: dict, inputs: dict) -> str:
    answer = platform.call(deployment, inputs, headers={"Prefer": "respond-async"})
    assert answer.status_code == 303, answer.text
    return answer.json()["execution_id"]


def _result(platform: Platform, execution_id: str) -> dict:
    return platform.sdk.retrieve_pipeline_execution_outputs(execution_id)["outputs"]


def _lines(platform: Platform, execution_id: str) -> list[str]:
    return [line["message"] for line in platform.sdk.get_pipeline_execution_logs(execution_id)]


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_executions_that_run_while_the_server_is_killed_end_and_are_complete(
    own_platform: Platform, gate: Gate, mode: str
) -> None:
    platform = own_platform
    deployment = platform.deploy(_pipeline(platform), mode)
    running = _trigger(platform, deployment, {"gate": gate.url, "number": 1})
    assert gate.arrived.acquire(timeout=30)
    waiting = _trigger(platform, deployment, {"number": 2})
    platform.kill()
    gate.opened.set()  # the running one goes on, with no server there
    platform.start()
    assert _result(platform, running) == {"number": 1}
    assert _result(platform, waiting) == {"number": 2}
    assert _lines(platform, running) == ["before 1", "after 1"]
    assert _lines(platform, waiting) == ["before 2", "after 2"]


def test_every_id_that_was_returned_under_load_is_there_and_ends_after_kill_9(own_platform: Platform) -> None:
    platform = own_platform
    name = _pipeline(platform)
    deployments = [platform.deploy(name, mode) for mode in ("elastic", "low_latency")]
    returned: list[str] = []
    enough = threading.Event()

    def load(deployment: dict) -> None:
        number = 0
        while not enough.is_set():
            try:
                returned.append(_trigger(platform, deployment, {"number": number}))
            except (httpx.TransportError, AssertionError):
                return
            number += 1

    with ThreadPoolExecutor(8) as callers:
        work = [callers.submit(load, deployments[index % 2]) for index in range(8)]
        eventually(lambda: len(returned) >= 50)
        platform.kill()
        enough.set()
        for one in work:
            one.result()
    platform.start()
    for execution_id in returned:
        _settled(platform, execution_id)
    statuses = {row["execution_id"]: row["status"] for row in platform.sdk.list_pipeline_executions(name)}
    missing = [one for one in returned if one not in statuses]
    assert missing == []
    assert {statuses[one] for one in returned} == {"Succeeded"}


def _settled(platform: Platform, execution_id: str) -> str:
    return eventually(
        lambda: (status := platform.sdk.get_pipeline_execution(execution_id)["status"]) in FINAL and status, 60
    )


def test_sigterm_leaves_pods_and_executions_to_the_next_start(own_platform: Platform, gate: Gate) -> None:
    platform = own_platform
    deployment = platform.deploy(_pipeline(platform), "low_latency")
    pods = platform.sdk.get_deployment(deployment["name"])["pods"]
    running = _trigger(platform, deployment, {"gate": gate.url, "number": 1})
    assert gate.arrived.acquire(timeout=30)
    platform.signal(signal.SIGTERM)
    assert platform.processes() != []
    platform.start()
    gate.opened.set()
    assert _result(platform, running) == {"number": 1}
    assert platform.sdk.get_deployment(deployment["name"])["pods"] == pods


def test_ctrl_c_ends_the_pods_with_a_reason_and_keeps_what_had_not_begun(own_platform: Platform, gate: Gate) -> None:
    platform = own_platform
    deployment = platform.deploy(_pipeline(platform), "low_latency")
    running = _trigger(platform, deployment, {"gate": gate.url, "number": 1})
    assert gate.arrived.acquire(timeout=30)
    waiting = _trigger(platform, deployment, {"number": 2})
    platform.stop()
    assert platform.processes() == []
    platform.start()
    assert _result(platform, waiting) == {"number": 2}
    ended = platform.sdk.get_pipeline_execution(running)
    assert ended["status"] == "Error"
    assert ended["failure"]["kind"] == "stopped"


def test_down_ends_the_pods_that_a_killed_server_left(own_platform: Platform) -> None:
    platform = own_platform
    platform.deploy(_pipeline(platform), "low_latency")
    platform.kill()
    assert platform.processes() != []
    done = subprocess.run([PIPEYARD, "down", "--data-dir", platform.data_dir], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ended 1 pod that an earlier server had left\n")
    assert platform.processes() == []


def test_down_ends_a_running_server(own_platform: Platform) -> None:
    platform = own_platform
    platform.deploy(_pipeline(platform), "low_latency")
    # The server is our child: somebody has to reap it for its descriptor to tell the end.
    reaper = threading.Thread(target=os.waitid, args=(os.P_PID, platform.pid, os.WEXITED | os.WNOWAIT))
    reaper.start()
    done = subprocess.run([PIPEYARD, "down", "--data-dir", platform.data_dir], capture_output=True, text=True)
    reaper.join()
    assert done.returncode == 0, done.stderr
    assert "ended the server" in done.stdout


def test_two_servers_never_share_a_data_folder(own_platform: Platform) -> None:
    again = subprocess.run(
        [PIPEYARD, "up", "--data-dir", own_platform.data_dir, "--port", "0"], capture_output=True, text=True
    )
    assert again.returncode == 1
    assert "is used by the server with process id" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_pod_that_is_killed_ends_its_execution_and_comes_back(own_platform: Platform, gate: Gate) -> None:
    platform = own_platform
    deployment = platform.deploy(_pipeline(platform), "low_latency")
    running = _trigger(platform, deployment, {"gate": gate.url, "number": 1})
    assert gate.arrived.acquire(timeout=30)
    waiting = _trigger(platform, deployment, {"number": 2})
    for pid in [pid for pid in platform.processes() if pid != platform.pid]:
        os.kill(pid, signal.SIGKILL)
    assert _result(platform, waiting) == {"number": 2}
    assert platform.sdk.get_pipeline_execution(running)["status"] == "Error"
    eventually(lambda: platform.sdk.get_deployment(deployment["name"])["status"] == "up")


def _leave_a_launch_that_died(platform: Platform, **notes: str | None) -> None:
    """What a server leaves that is killed between making a pod's folder and naming its process."""
    folder = platform.data_dir / "pods" / f"dead-{len(notes['pod_id'] or '')}"
    folder.mkdir(mode=0o700)
    (folder / "spec.json").write_text(json.dumps({"environment_id": "", **notes, "pod_id": folder.name}))


def test_an_execution_whose_pod_died_while_it_was_launched_runs_in_another(tmp_path: Path, gate: Gate) -> None:
    platform = Platform(tmp_path, elastic_max_pods=1, stop_grace_s=0.5).start()
    deployment = platform.deploy(_pipeline(platform))
    running = _trigger(platform, deployment, {"gate": gate.url, "number": 1})
    assert gate.arrived.acquire(timeout=30)
    waiting = _trigger(platform, deployment, {"number": 2})
    platform.kill()
    _leave_a_launch_that_died(platform, pod_id="x", mode="elastic", deployment_id=None, execution_id=waiting)
    gate.opened.set()
    platform.start()
    assert _result(platform, running) == {"number": 1}
    assert _result(platform, waiting) == {"number": 2}
    platform.stop()


def test_a_deployment_whose_pod_died_while_it_was_launched_comes_up(own_platform: Platform) -> None:
    platform = own_platform
    deployment = platform.deploy(_pipeline(platform), "low_latency")
    deployment_id = platform.sdk.get_deployment(deployment["name"])["pods"][0]["pod_id"].rpartition("-")[0]
    server = platform.pid
    platform.kill()
    for pid in [pid for pid in platform.processes() if pid != server]:
        os.kill(pid, signal.SIGKILL)
    _leave_a_launch_that_died(platform, pod_id="xx", mode="low_latency", deployment_id=deployment_id, execution_id=None)
    platform.start()
    assert platform.call(deployment, {"number": 3}).json()["outputs"] == {"number": 3}
