"""Pods that die of what they do: the reason, what to do, every line of the log, and the platform goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from craft_ai_sdk import Input

from tests.e2e.calls import Calls
from tests.platforms import eventually

MODES = ("elastic", "low_latency")
FLOOD_MIB = int(os.environ.get("PIPEYARD_TEST_LOG_MIB", "2"))  # `make faults`: 1024
CALM = 3
BURST = int(os.environ.get("PIPEYARD_TEST_BURST", "10000"))  # `make faults`: 100,000


@dataclass(frozen=True)
class Death:
    """`lines` is what the function does after it has printed so many numbers, one a line."""

    sentence: str
    lines: str
    kind: str
    message: str
    remedy: str
    printed: int = CALM
    signal: str | None = None
    exit_code: int | None = None


DEATHS = [
    Death(
        "a burst of lines before a crash",
        "import ctypes; ctypes.string_at(0)",
        "signalled",
        "killed by signal 11 (SIGSEGV)",
        "packages with compiled parts",
        printed=BURST,
        signal="SIGSEGV",
    ),
    Death(
        "a fork bomb",
        "while True:\n        os.fork() or time.sleep(600)",
        "raised",
        "BlockingIOError",
        "pod_max_processes",
    ),
    Death(
        "an end in a thread",
        "import threading; threading.Thread(target=os._exit, args=(5,)).start(); time.sleep(60)",
        "exited",
        "the process ended with code 5",
        "os._exit",
        exit_code=5,
    ),
]
SOURCE = """
import os, sys, time

def main(way):
    if way is None:
        return {{}}
    for number in range({printed}):
        print(number)
    {lines}
"""


def printed_lines(http: httpx.Client, execution_id: str) -> Iterator[str]:
    with http.stream("GET", f"/api/v1/executions/{execution_id}/logs") as answer:
        for line in answer.iter_lines():
            row = json.loads(line)
            if row["stream"] == "stdout":
                yield row["message"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.sentence)
def test_a_death_is_explained_with_every_line_before_it(calls: Calls, death: Death, mode: str) -> None:
    deployment = calls.deploy(SOURCE.format(printed=death.printed, lines=death.lines), mode)
    answer = calls.call(deployment, 1)
    failure = calls.failure(answer)
    assert failure["kind"] == death.kind
    assert death.message in failure["message"]
    assert death.remedy in failure["remedy"]
    assert (failure["signal"], failure["exit_code"]) == (death.signal, death.exit_code)
    lines = list(printed_lines(calls.http, calls.execution_id(answer)))
    assert lines[: death.printed] == [str(number) for number in range(death.printed)]
    assert calls.call(deployment, None).status_code == 200
    calls.platform.sdk.delete_deployment(deployment["name"])  # a warm pod keeps the processes that a function leaves


@pytest.mark.parametrize("mode", MODES)
def test_a_pod_that_uses_more_memory_than_it_may_says_how_much_it_needs(calls: Calls, mode: str) -> None:
    hoard = "hoard = [bytearray(1 << 20) for _ in range(1000)]"
    source = SOURCE.format(printed=CALM, lines=hoard)
    pipeline = calls.pipeline(source, [Input("way", "json")], ram_request="64MiB")
    deployment = calls.platform.deploy(pipeline, mode)
    answer = calls.call(deployment, 1)
    failure = calls.failure(answer)
    assert failure["kind"] == "out_of_memory"
    assert failure["message"].startswith("Out of Memory: the pod peaked at ")
    assert failure["message"].endswith(" of 64 MiB")
    assert "Raise ram_request" in failure["remedy"]
    assert "to at least 128MiB" in failure["remedy"]
    assert failure["memory_limit_bytes"] == 64 << 20
    assert failure["peak_memory_bytes"] > 50 << 20
    assert list(printed_lines(calls.http, calls.execution_id(answer))) == ["0", "1", "2"]
    assert [line["message"] for line in failure["last_log_lines"]] == ["0", "1", "2"]
    assert calls.call(deployment, None).status_code == 200
    if mode == "elastic":
        return
    shown = calls.http.get(f"/api/v1/deployments/{deployment['name']}").json()
    assert shown["last_pod_failure"]["message"] == failure["message"]
    assert shown["last_pod_failure"]["pod_id"] != shown["pods"][0]["pod_id"]


def test_a_flood_of_lines_arrives_whole(calls: Calls) -> None:
    lines = FLOOD_MIB * 1024
    source = f"""
    def main(way):
        for number in range({lines}):
            print(f"{{number:1023}}")
        return {{}}
    """
    deployment = calls.deploy(source, "elastic")
    answer = calls.platform.call(deployment, {"way": 1}, headers={"Prefer": "respond-async"}, follow_redirects=False)
    execution_id = answer.headers["Craft-Ai-Execution-Id"]

    def ended() -> str | None:
        status: str = calls.http.get(f"/api/v1/executions/{execution_id}").json()["status"]
        return None if status in ("Pending", "Running") else status

    assert eventually(ended, 900) == "Succeeded"
    seen = 0
    for seen, line in enumerate(printed_lines(calls.http, execution_id), 1):
        assert int(line) == seen - 1
    assert seen == lines


def import_failure(deployment: dict[str, Any]) -> dict[str, Any] | None:
    failed: dict[str, Any] | None = deployment["last_pod_failure"]
    return failed if failed is not None and failed["kind"] == "import_failed" else None


def test_what_waits_for_a_pod_that_cannot_come_up_waits_until_it_can(calls: Calls) -> None:
    variable = "DEATHS_FAIL_THE_IMPORT"
    source = f"""
    import os
    if os.environ.get("{variable}"):
        raise RuntimeError("told to fail")
    def main(way):
        if way == 1:
            os._exit(4)
        return {{}}
    """
    platform = calls.platform
    deployment = platform.deploy(calls.pipeline(source, [Input("way", "json")]), "low_latency")
    place = f"/api/v1/deployments/{deployment['name']}"
    platform.sdk.create_or_update_environment_variable(variable, "1")
    try:
        assert calls.failure(calls.call(deployment, 1))["exit_code"] == 4
        waiting = calls.http.post(f"{place}/executions", json={"way": 2}).json()["execution_id"]
        failed = eventually(lambda: import_failure(calls.http.get(place).json()))
        assert (failed["kind"], failed["message"]) == ("import_failed", "RuntimeError: told to fail")
        assert calls.http.get(place).json()["status"] == "down_retrying"
        assert calls.http.get(f"/api/v1/executions/{waiting}").json()["status"] == "Pending"
    finally:
        platform.sdk.delete_environment_variable(variable)
    eventually(lambda: calls.http.get(f"/api/v1/executions/{waiting}").json()["status"] == "Succeeded")
    assert calls.http.get(place).json()["status"] == "up"
    log = [line["message"] for line in platform.sdk.get_deployment_logs(deployment["name"])]
    assert any(line.endswith("is started again now") for line in log)
    assert any(line.endswith("is started again in 1 s") for line in log)
