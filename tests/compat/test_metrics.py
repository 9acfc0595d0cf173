"""Metrics that pipelines record: with the public client inside executions, and read with it outside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from craft_ai_sdk import Input, Output
from craft_ai_sdk.exceptions import SdkException

from tests.compat.gates import DOORS
from tests.platforms import Platform

# Calls methods of the client in order, after the door has been opened if there is one.
RECORDING = """
from craft_ai_sdk import CraftAiSdk, SdkException

def main(calls, gate=None, name=None):
    if gate:
        from doors import knock
        knock(gate, name)
    sdk, answers = CraftAiSdk(), []
    for method, arguments in calls:
        try:
            answers.append(getattr(sdk, method)(**arguments))
        except SdkException as error:
            answers.append({"status": error.status_code, "message": error.message})
    return {"answers": answers}
"""
MODES: dict[str, dict[str, Any]] = {
    "elastic": {"mode": "elastic"},
    "low_latency": {"mode": "low_latency", "enable_parallel_executions": True},
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Call = tuple[str, dict[str, Any]]


def value(name: str, value: float) -> Call:
    return "record_metric_value", {"name": name, "value": value}


def values(name: str, values: float | list[float]) -> Call:
    return "record_list_metric_values", {"name": name, "values": values}


@pytest.fixture(scope="module")
def pipeline(platform: Platform) -> str:
    return platform.create_pipeline(
        RECORDING,
        [Input("calls", "array", is_required=True), Input("gate", "string"), Input("name", "string")],
        [Output("answers", "array")],
        files={"doors.py": DOORS, "requirements.txt": "craft-ai-sdk==0.74.7\n"},
        requirements_path="requirements.txt",
    )


@pytest.fixture(scope="module")
def deployments(platform: Platform, pipeline: str) -> dict[str, str]:
    return {mode: platform.deploy(pipeline, **options)["name"] for mode, options in MODES.items()}


@pytest.fixture(params=list(MODES))
def deployment(request, deployments) -> str:
    """Its name, in both modes."""
    return deployments[request.param]


@pytest.fixture
def do(sdk, deployment) -> Callable[..., tuple[str, list[Any]]]:
    """Make calls inside a new execution. Its id, and what each call returned."""

    def do(*calls: Call) -> tuple[str, list[Any]]:
        answer = sdk.trigger_endpoint(deployment, inputs={"calls": list(calls)})
        return answer["execution_id"], answer["outputs"]["answers"]

    return do


@pytest.fixture
def an_open_execution(platform, sdk, waiting, gate) -> Iterator[str]:
    """One that waits at the gate until the test is over."""
    name = platform.deploy(waiting)["name"]
    started = sdk.trigger_endpoint(name, inputs={"gate": gate.url, "name": "a"}, wait_for_completion=False)
    gate.await_arrivals("a")
    yield started["execution_id"]
    gate.open()
    sdk.retrieve_endpoint_results(name, started["execution_id"])


def test_a_value_is_recorded_and_the_last_one_kept(sdk, do, deployment, pipeline):
    execution_id, answers = do(value("loss", 0.5), value("epoch", 3), value("loss", 0.1 + 0.2))
    assert answers == [True, True, True]
    found = sdk.get_metrics(execution_id=execution_id)
    assert [(metric["name"], metric["value"]) for metric in found] == [("loss", 0.1 + 0.2), ("epoch", 3)]
    assert isinstance(found[1]["value"], int)
    for metric in found:
        assert set(metric) == {"name", "value", "created_at", "execution_id", "deployment_name", "pipeline_name"}
        assert INSTANT.fullmatch(metric["created_at"])
        assert (metric["execution_id"], metric["deployment_name"]) == (execution_id, deployment)
        assert metric["pipeline_name"] == pipeline


def test_values_are_appended_in_order_whatever_the_client_makes_of_them(sdk, do):
    many = [number / 7 for number in range(12_345)]  # two calls of the client, the second smaller
    execution_id, answers = do(values("loss", many), values("loss", 7), values("loss", [1, 2.0]), values("none", []))
    assert answers == [True] * 4
    [found] = sdk.get_list_metrics(execution_id=execution_id)
    assert found["values"] == [*many, 7, 1, 2.0]
    assert [type(number) for number in found["values"][-3:]] == [int, int, float]
    assert set(found) == {"name", "values", "created_at", "execution_id", "deployment_name", "pipeline_name"}


def test_a_single_and_a_list_metric_may_have_the_same_name(sdk, do):
    execution_id, _ = do(value("loss", 1), values("loss", [2, 3]))
    assert [metric["value"] for metric in sdk.get_metrics(execution_id=execution_id)] == [1]
    assert [metric["values"] for metric in sdk.get_list_metrics(execution_id=execution_id)] == [[2, 3]]


@pytest.mark.parametrize("name", ["accuracy_list", "logx", "test-loss", "1onx", "metricSimple", "a.b", "m" * 100])
def test_names_that_documentation_shows_are_taken(sdk, deployments, name):
    inputs = {"calls": [value(name, 1), values(name, [1])]}
    answer = sdk.trigger_endpoint(deployments["low_latency"], inputs=inputs)
    assert answer["outputs"]["answers"] == [True, True]


def test_a_hundred_single_metrics_are_taken_and_no_more(sdk, do):
    calls = [value(f"m{number}", number) for number in range(101)]
    execution_id, answers = do(*calls, value("m7", -7))
    assert answers[:100] == [True] * 100
    assert answers[100]["status"] == 409
    assert "100 single metrics per execution" in answers[100]["message"]
    assert answers[101] is True
    found = sdk.get_metrics(execution_id=execution_id)
    assert [metric["value"] for metric in found] == [-7 if number == 7 else number for number in range(100)]


def test_twenty_five_list_metrics_are_taken_and_no_more(sdk, do):
    execution_id, answers = do(*(values(f"m{number}", [number]) for number in range(26)), values("m7", 8))
    assert answers[:25] == [True] * 25
    assert answers[25]["status"] == 409
    assert "25 list metrics per execution" in answers[25]["message"]
    assert answers[26] is True
    assert len(sdk.get_list_metrics(execution_id=execution_id)) == 25


def test_fifty_thousand_values_are_taken_and_no_more(sdk, do):
    most = list(range(49_999))
    execution_id, answers = do(values("n", most), values("n", [1, 2]), values("n", 49_999), values("n", 0))
    assert [answer if answer is True else answer["status"] for answer in answers] == [True, 409, True, 409]
    assert "50000 values" in answers[3]["message"]
    [found] = sdk.get_list_metrics(execution_id=execution_id)
    assert found["values"] == list(range(50_000))


@pytest.mark.parametrize("kind", ["single-value", "list-values"])
def test_code_records_for_its_own_executions_alone(platform, do, deployments, deployment, sdk, gate, kind):
    """In a warm pod those are all of the deployment."""
    waits = {"calls": [], "gate": gate.url, "name": "a"}
    other = sdk.trigger_endpoint(deployment, inputs=waits, wait_for_completion=False)["execution_id"]
    gate.await_arrivals("a")
    method, content = ("_put", {"value": 1}) if kind == "single-value" else ("_post", {"values": [1]})
    body = content | {"execution_id": other}
    _, [answer] = do((method, {"url": f"{platform.api}/metrics/{kind}/spoofed", "json": body}))
    gate.open()
    sdk.retrieve_endpoint_results(deployment, other)
    found = sdk.get_metrics if kind == "single-value" else sdk.get_list_metrics
    names = [metric["name"] for metric in found(execution_id=other)]
    if deployment == deployments["elastic"]:
        assert answer["status"] == 403
        assert "its own executions" in answer["message"]
        assert names == []
    else:
        assert answer is None
        assert names == ["spoofed"]


def test_code_of_a_deployment_records_nothing_for_another(platform, do, an_open_execution, sdk):
    body = {"value": 1, "execution_id": an_open_execution}
    _, [answer] = do(("_put", {"url": f"{platform.api}/metrics/single-value/spoofed", "json": body}))
    assert answer["status"] == 403
    assert sdk.get_metrics(execution_id=an_open_execution) == []


def test_outside_of_an_execution_the_client_sends_nothing(sdk):
    before = sdk.get_metrics()
    with pytest.warns(UserWarning, match="outside a pipeline"):
        assert sdk.record_metric_value("loss", 1) is False
    with pytest.warns(UserWarning, match="outside a pipeline"):
        assert sdk.record_list_metric_values("loss", [1]) is False
    assert sdk.get_metrics() == before


def test_a_person_records_for_an_execution_as_long_as_it_is_open(platform, sdk, an_open_execution, gate):
    recording = {"execution_id": an_open_execution, "values": [1.5]}
    with platform.http() as http:
        assert http.post("/api/v1/metrics/list-values/by-hand", json=recording).status_code == 204
        gate.open()
        sdk.retrieve_pipeline_execution_outputs(an_open_execution)
        refused = http.post("/api/v1/metrics/list-values/by-hand", json=recording)
    assert (refused.status_code, refused.json()["name"]) == (409, "Conflict")
    [found] = sdk.get_list_metrics(execution_id=an_open_execution)
    assert found["values"] == [1.5]


def test_ten_thousand_values_are_one_call_and_not_one_more(platform, sdk, an_open_execution):
    with platform.http() as http:
        for count, status in ((10_001, 400), (10_000, 204)):
            body = {"execution_id": an_open_execution, "values": [0.5] * count}
            assert http.post("/api/v1/metrics/list-values/n", json=body).status_code == status
    [found] = sdk.get_list_metrics(execution_id=an_open_execution)
    assert found["values"] == [0.5] * 10_000


def test_metrics_are_found_by_name_and_by_one_of_their_owners(platform, sdk, pipeline):
    ours, other = (platform.deploy(pipeline)["name"] for _ in range(2))
    ids = {
        name: sdk.trigger_endpoint(name, inputs={"calls": [value("a", 1), value("b", 2), values("a", 3)]})[
            "execution_id"
        ]
        for name in (ours, other)
    }
    run = sdk.run_pipeline(pipeline, inputs={"calls": [value("a", 9)]})["execution_id"]

    def names(**filters: str) -> list[tuple[str, str]]:
        return [(metric["execution_id"], metric["name"]) for metric in sdk.get_metrics(**filters)]

    assert names(deployment_name=ours) == [(ids[ours], "a"), (ids[ours], "b")]
    assert names(deployment_name=ours, name="b") == [(ids[ours], "b")]
    assert names(pipeline_name=pipeline, name="a")[-3:] == [(ids[ours], "a"), (ids[other], "a"), (run, "a")]
    assert (run, "a") in names(name="a")
    assert (ids[other], "b") in names()
    [metric] = sdk.get_metrics(execution_id=run)
    assert metric["deployment_name"] is None
    [found] = sdk.get_list_metrics(deployment_name=other)
    assert (found["execution_id"], found["values"]) == (ids[other], [3])
    with pytest.raises(SdkException, match=r"filters\[execution_id\]: cannot go with"):
        sdk.get_metrics(pipeline_name=pipeline, execution_id=run)
    with pytest.raises(SdkException, match="no pipeline named"):
        sdk.get_list_metrics(pipeline_name="nope")


@pytest.mark.parametrize("kind", ["single-value", "list-values"])
def test_pages_have_every_metric_once_and_say_how_many_there_are(platform, do, kind):
    recorded = [(value if kind == "single-value" else values)(f"m{number}", number) for number in range(7)]
    execution_id, _ = do(*recorded)
    with platform.http() as http:

        def page(number: int, size: int) -> dict[str, Any]:
            params = {"filters[execution_id]": execution_id, "items_per_page": size, "page": number}
            answer: dict[str, Any] = http.get(f"/api/v1/metrics/{kind}", params=params).json()
            return answer

        for size in (1, 3, 5, 7, 5000):
            pages = [page(number, size) for number in range(1, -(-7 // size) + 1)]
            assert [one["total_count"] for one in pages] == [7] * len(pages)
            assert [metric["name"] for one in pages for metric in one["metrics"]] == [f"m{n}" for n in range(7)]
        # The client asks on until it has as many as there were: no answer may be empty for ever.
        assert page(4, 3)["message"] == "page: 4 is beyond the last one; allowed: 1 to 3"


def test_metrics_go_with_their_execution(sdk, do):
    execution_id, _ = do(value("loss", 1), values("loss", [1]))
    sdk.delete_pipeline_execution(execution_id)
    for found in (sdk.get_metrics(name="loss"), sdk.get_list_metrics(name="loss")):
        assert execution_id not in {metric["execution_id"] for metric in found}


def test_what_was_recorded_survives_the_death_of_the_server(tmp_path: Path) -> None:
    platform = Platform(tmp_path).start()
    try:
        name = platform.create_pipeline("import time\ndef main(): time.sleep(60)")
        with platform.http() as http:
            execution_id = http.post(f"/api/v1/pipelines/{name}/run", data={"json_inputs": "{}"}).json()["execution_id"]
            for kind, content in (("single-value", {"value": 0.5}), ("list-values", {"values": [1, 2]})):
                body = content | {"execution_id": execution_id}
                method = "PUT" if kind == "single-value" else "POST"
                assert http.request(method, f"/api/v1/metrics/{kind}/kept", json=body).status_code == 204
        platform.kill()
        platform.start()
        assert [metric["value"] for metric in platform.sdk.get_metrics(execution_id=execution_id)] == [0.5]
        assert [metric["values"] for metric in platform.sdk.get_list_metrics(name="kept")] == [[1, 2]]
    finally:
        platform.stop()
