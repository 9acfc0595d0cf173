"""Logs that are followed: each line as it comes, until nothing more can come."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from craft_ai_sdk import Input

from tests.compat.gates import DOORS, Gate, opened_gate
from tests.platforms import Platform

SOURCE = """
from doors import knock

def main(gate):
    print("before")
    knock(gate, "door")
    print("after")
"""


@pytest.fixture
def gate() -> Iterator[Gate]:
    with opened_gate() as gate:
        yield gate


@pytest.fixture(scope="module")
def waiting(platform: Platform) -> str:
    return platform.create_pipeline(SOURCE, [Input("gate", "string")], files={"doors.py": DOORS})


def follow(http: httpx.Client, path: str) -> Iterator[str]:
    with http.stream("GET", f"/api/v1/{path}/logs", params={"follow": "true"}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        for line in answer.iter_lines():
            if line:
                yield json.loads(line)["message"]


def test_the_lines_of_an_execution_come_while_it_runs_and_end_with_it(
    platform: Platform, waiting: str, gate: Gate
) -> None:
    started = platform.sdk.run_pipeline(waiting, {"gate": gate.url}, wait_for_completion=False)
    with platform.http() as http:
        lines = follow(http, f"executions/{started['execution_id']}")
        assert next(lines) == "before"
        gate.await_arrivals("door")
        gate.open()
        assert list(lines) == ["after"]


def test_a_log_that_is_not_followed_ends_at_once(platform: Platform, waiting: str, gate: Gate) -> None:
    started = platform.sdk.run_pipeline(waiting, {"gate": gate.url}, wait_for_completion=False)
    gate.await_arrivals("door")
    with platform.http() as http:
        answer = http.get(f"/api/v1/executions/{started['execution_id']}/logs")
        assert [json.loads(line)["message"] for line in answer.text.splitlines()] in (["before"], [])
    gate.open()


def test_the_log_of_a_build_ends_with_the_build(platform: Platform, waiting: str) -> None:
    with platform.http() as http:
        told = list(follow(http, f"pipelines/{waiting}"))
    assert told == [line["message"] for line in platform.sdk.get_pipeline_logs(waiting)]
    assert told[-1] == "The pipeline is ready."


def test_the_log_of_a_deployment_ends_when_it_is_deleted(platform: Platform, waiting: str) -> None:
    deployment = platform.deploy(waiting, "low_latency")
    with platform.http() as http:
        lines = follow(http, f"deployments/{deployment['name']}")
        assert next(lines).endswith("is up")
        platform.sdk.delete_deployment(deployment["name"])
        assert list(lines) == []


def test_executions_of_an_environment_are_listed_in_pages(platform: Platform) -> None:
    pipeline = platform.create_pipeline("def main(): return {}")
    deployment = platform.deploy(pipeline)
    run_ids = [platform.sdk.run_pipeline(pipeline)["execution_id"] for _ in range(2)]
    called = platform.call(deployment).json()["execution_id"]
    with platform.http() as http:

        def ids(**query: object) -> list[str]:
            return [row["execution_id"] for row in http.get("/api/v1/executions", params=query).json()]

        assert ids(limit=3) == [called, *reversed(run_ids)]
        assert ids(pipeline_name=pipeline) == [called, *reversed(run_ids)]
        assert ids(deployment_name=deployment["name"]) == [called]
        assert ids(pipeline_name=pipeline, limit=1, before=called) == [run_ids[1]]
        assert ids(pipeline_name=pipeline, status="Failed") == []
    platform.sdk.delete_pipeline(pipeline, force_deployments_deletion=True)
