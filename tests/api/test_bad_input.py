"""Whatever is wrong with a request: a 4xx that names the field and what is allowed, and nothing else has changed."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from craft_ai_sdk import Input, Output

from tests.api import bad_data_store, bad_fires, bad_metrics, bad_origins, bad_periodic, bad_requests
from tests.api.bad_requests import Case, World
from tests.platforms import Platform

INPUTS = [
    Input("text", "string", is_required=True),
    Input("number", "number"),
    Input("flag", "boolean"),
    Input("thing", "json"),
    Input("items", "array"),
    Input("upload", "file"),
]
OUTPUTS = [Output("result", "json"), Output("report", "file")]
SOURCE = """
def main(text, number=None, flag=None, thing=None, items=None, upload=None):
    return {"result": text, "report": None}
"""
MESSAGE_LENGTH_MAX = 2_000
CASES = [
    case
    for module in (bad_requests, bad_origins, bad_metrics, bad_periodic, bad_fires, bad_data_store)
    for case in module.CASES
]


@pytest.fixture(scope="module")
def world(platform: Platform) -> Iterator[World]:
    pipeline = platform.create_pipeline(SOURCE, INPUTS, OUTPUTS)
    deployment, other, disabled = (platform.deploy(pipeline) for _ in range(3))
    platform.sdk.update_deployment(disabled["name"], is_enabled=False)
    execution_id = platform.call(deployment, {"text": "a"}).json()["execution_id"]
    with platform.http() as http, httpx.Client(base_url=platform.url, timeout=90) as client:
        access_token = http.headers["Authorization"].removeprefix("Bearer ")
        yield World(
            platform,
            client,
            pipeline,
            _broken_pipeline(platform),
            deployment,
            other,
            disabled,
            execution_id,
            access_token,
        )
    platform.sdk.delete_pipeline(pipeline, force_deployments_deletion=True)


def _broken_pipeline(platform: Platform) -> str:
    before = {row["pipeline_name"] for row in platform.sdk.list_pipelines()}
    with pytest.raises(Exception, match="failed"):
        platform.create_pipeline("def main(:")
    (name,) = {row["pipeline_name"] for row in platform.sdk.list_pipelines()} - before
    return str(name)


def test_every_case_has_a_sentence_of_its_own() -> None:
    assert len({case.sentence for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_bad_input_is_refused_and_changes_nothing(world: World, case: Case) -> None:
    bad = case.build(world)
    before = world.snapshot()
    answer = world.send(bad)
    assert answer.status_code == case.status, answer.text
    body = answer.json()
    assert isinstance(body, dict)
    assert all(isinstance(body[key], str) and body[key] for key in ("name", "message", "request_id"))
    assert set(body) <= {"name", "message", "request_id", "additional_data"}
    assert body["request_id"] == answer.headers["x-request-id"]
    for said in case.said:
        assert said in body["message"]
    assert len(body["message"]) <= MESSAGE_LENGTH_MAX
    assert world.snapshot() == before
