"""`/metrics`: what Prometheus reads, who may, and that nobody can make its series grow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from pipeyard import clock
from pipeyard.api.app import create_app
from pipeyard.api.context import Services
from pipeyard.domain.executions import ExecutionStatus, Failure
from pipeyard.domain.loads import Load
from pipeyard.domain.modes import Mode
from pipeyard.domain.users import Environment
from pipeyard.monitoring.prometheus import PrometheusMeters
from pipeyard.services.identities import Caller, IdentityService, PodScope
from pipeyard.services.token_attempts import TokenAttempts
from pipeyard.settings import Settings
from tests.platforms import Platform

pytestmark = pytest.mark.anyio

TOKEN = "a-token-for-prometheus"
EMPTY = Load({}, {}, {}, 0)


def client(identities: IdentityService, meters: PrometheusMeters, **settings: Any) -> httpx.AsyncClient:
    async def environment(name: str) -> Environment:
        return Environment(name, name, clock.now())

    services = SimpleNamespace(
        settings=Settings(**settings),
        meters=meters,
        identities=identities,
        token_attempts=TokenAttempts(1000),
        load=lambda: EMPTY,
        environments=SimpleNamespace(get=environment),
    )
    app = create_app(cast(Services, services))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


@pytest.fixture
def identities() -> IdentityService:
    return IdentityService(cast(Any, None), "k" * 32, 1800)


async def status(identities: IdentityService, token: str | None, **settings: Any) -> int:
    async with client(identities, PrometheusMeters(), **settings) as http:
        answer = await http.get(
            "/metrics", headers={} if token is None else {"Authorization": f"Bearer {token}".encode()}
        )
        assert ("pipeyard_build_info" in answer.text) == (answer.status_code == 200)
        return answer.status_code


async def test_the_token_of_the_setting_opens_it_and_no_other_does(identities: IdentityService) -> None:
    assert await status(identities, TOKEN, metrics_token=TOKEN) == 200
    assert await status(identities, TOKEN) == 401
    for wrong in (None, "", TOKEN[:-1], TOKEN + "x", "é" * len(TOKEN)):
        assert await status(identities, wrong, metrics_token=TOKEN) == 401


async def test_a_person_may_read_it_and_the_code_in_a_pod_may_not(identities: IdentityService) -> None:
    pod = Caller("ada", PodScope("e", "deployment", "d"))
    for settings in ({}, {"metrics_token": TOKEN}):
        assert await status(identities, identities._access_token(Caller("ada")), **settings) == 200
        assert await status(identities, identities._access_token(pod), **settings) == 403


async def test_no_request_makes_a_series_of_its_own(identities: IdentityService) -> None:
    meters = PrometheusMeters()
    async with client(identities, meters) as http:
        for number in range(5):
            await http.get(f"/nothing/{number}")
            await http.get(f"/api/v1/deployments/d{number}")
            await http.request(f"MADE-UP-{number}", "/api/v1/deployments")
            await http.get(f"/environments/e{number}/api/v1/deployments/x")
    text = meters.render(EMPTY)[0].decode()
    series = re.findall(r"^pipeyard_http_requests_total\{(.*)\} (\d+)", text, re.MULTILINE)
    assert dict(series) == {
        'method="GET",route="unmatched",status="404"': "5",
        'method="GET",route="/api/v1/deployments/{name}",status="401"': "10",
        'method="other",route="/api/v1/deployments",status="405"': "5",
    }


async def test_a_reason_that_a_pod_made_up_is_no_label() -> None:
    meters = PrometheusMeters()
    at_first = ended_by_reason(meters)
    for number in range(3):
        meters.execution_ended(ExecutionStatus.FAILED, Failure(f"made-up-{number}", "no"))
    meters.execution_ended(ExecutionStatus.FAILED, Failure("timed_out", "no"))
    meters.execution_ended(ExecutionStatus.SUCCEEDED, None)
    found = ended_by_reason(meters)
    assert found == at_first | {("other", "Failed"): 3, ("timed_out", "Failed"): 1, ("", "Succeeded"): 1}


def ended_by_reason(meters: PrometheusMeters) -> dict[tuple[str, str], int]:
    text = meters.render(EMPTY)[0].decode()
    found = re.findall(r'^pipeyard_executions_ended_total\{reason="(\w*)",status="(\w+)"\} (\d)', text, re.MULTILINE)
    return {(reason, status): int(count) for reason, status, count in found}


async def test_what_has_not_happened_yet_is_a_zero_or_its_first_time_would_be_no_increase() -> None:
    meters = PrometheusMeters()
    found = ended_by_reason(meters)
    assert found.keys() >= {("missed", "Skipped"), ("refused", "Skipped"), ("platform", "Error"), ("", "Succeeded")}
    assert set(found.values()) == {0}
    text = meters.render(EMPTY)[0].decode()
    series = re.findall(r'^pipeyard_executions_accepted_total\{trigger="(\w+)"\} 0', text, re.MULTILINE)
    assert series == ["endpoint", "run", "schedule", "run_now", "backfill"]


async def test_what_there_is_to_do_is_shown_with_its_zeros() -> None:
    load = Load({Mode.ELASTIC: 3}, {Mode.LOW_LATENCY: 2}, {(Mode.LOW_LATENCY, "up"): 1}, 4)
    meters = PrometheusMeters()
    lines = meters.render(load)[0].decode().splitlines()
    for line in (
        'pipeyard_executions_waiting{mode="elastic"} 3.0',
        'pipeyard_executions_waiting{mode="low_latency"} 0.0',
        'pipeyard_executions_in_pods{mode="low_latency"} 2.0',
        'pipeyard_pods{mode="low_latency",status="up"} 1.0',
        'pipeyard_pods{mode="elastic",status="starting"} 0.0',
        "pipeyard_builds 4.0",
    ):
        assert line in lines, line
    assert "pipeyard_builds 0.0" in meters.render(EMPTY)[0].decode().splitlines()


@pytest.fixture
def pipeline(platform: Platform) -> Iterator[str]:
    made = platform.create_pipeline("def main(): print('ran')")
    yield made
    platform.sdk.delete_pipeline(made, force_deployments_deletion=True)


def test_a_server_counts_what_it_does(platform: Platform, pipeline: str) -> None:
    with platform.http() as http:
        before = http.get("/metrics").text
        deployment = platform.deploy(pipeline, "low_latency")
        for _ in range(3):
            assert platform.call(deployment).status_code == 200
        platform.sdk.create_deployment(pipeline, "once-a-year", "periodic", schedule="0 0 1 1 *")
        asked = http.post("/api/v1/deployments/once-a-year/run-now")
        assert asked.status_code == 202
        execution = asked.json()["execution_id"]
        http.get(f"/api/v1/executions/{execution}/outputs?wait_for_completion=true")
        after = http.get("/metrics")
    assert after.headers["content-type"].startswith("text/plain; version=0.0.4")
    row = platform.sdk.get_pipeline_execution(execution)
    assert (row["deployment_name"], row["status"]) == ("once-a-year", "Succeeded")

    def grown(series: str) -> float:
        found = [re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE) for text in (before, after.text)]
        earlier, later = (0.0 if match is None else float(match[1]) for match in found)
        return later - earlier

    assert grown('pipeyard_executions_accepted_total{trigger="endpoint"}') == 3
    assert grown('pipeyard_executions_accepted_total{trigger="run_now"}') == 1
    assert grown('pipeyard_executions_ended_total{reason="",status="Succeeded"}') == 4
    assert grown('pipeyard_http_requests_total{method="POST",route="/endpoints/{path}",status="200"}') == 3
    assert grown('pipeyard_store_commit_seconds_count{database="store"}') > 4
    assert grown('pipeyard_store_commit_seconds_count{database="logs"}') > 0
    assert 'pipeyard_build_seconds_count{status="ready"}' in after.text
    assert 'pipeyard_pods{mode="low_latency",status="up"}' in after.text
    assert deployment["name"] not in after.text
    assert execution not in after.text
