"""Metrics and the rest of the environment, as documented."""

from __future__ import annotations

import contextvars
import gc
import json
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from pipeyard import CraftAiSdk, NotFoundError
from pipeyard.sdk import execution_context
from pipeyard.sdk.execution_context import get_execution_id
from tests.sdk.clients import API, BASE, FakeServer, FakeTime, make_client

SINGLE = f"{API}/metrics/single-value"
LIST = f"{API}/metrics/list-values"


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of any execution, unless a test says otherwise."""
    monkeypatch.delenv("CRAFT_AI_EXECUTION_ID", raising=False)
    execution_context._context_module.cache_clear()
    yield
    execution_context._context_module.cache_clear()


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_AI_EXECUTION_ID", "e1")


@pytest.fixture
def metrics(server: FakeServer) -> FakeServer:
    server.on("PUT", f"{SINGLE}/loss", {})
    server.on("POST", f"{LIST}/loss", {})
    return server


@pytest.mark.usefixtures("inside")
def test_a_value_is_recorded_for_this_execution(sdk: Any, metrics: FakeServer) -> None:
    assert sdk.record_metric_value("loss", 1.5) is True
    assert json.loads(metrics.requests[0].content) == {"value": 1.5, "execution_id": "e1"}


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("values", "sizes"),
    [([], []), (3, [1]), ((1, 2), [2]), ([0.5] * 10_000, [10_000]), ([1] * 20_001, [10_000, 10_000, 1])],
)
def test_a_list_goes_in_requests_of_ten_thousand(sdk: Any, metrics: FakeServer, values: Any, sizes: list[int]) -> None:
    assert sdk.record_list_metric_values("loss", values) is True
    sent = [json.loads(request.content) for request in metrics.requests]
    assert [len(each["values"]) for each in sent] == sizes
    assert {each["execution_id"] for each in sent} <= {"e1"}
    flat = [value for each in sent for value in each["values"]]
    assert flat == (list(values) if isinstance(values, (list, tuple)) else [values])


def test_outside_of_a_pipeline_nothing_is_sent_and_a_warning_says_so(metrics: FakeServer, time: FakeTime) -> None:
    sdk = make_client("sync", metrics, time)
    for record in (sdk.record_metric_value, sdk.record_list_metric_values):
        with pytest.warns(UserWarning, match="nothing was sent") as caught:
            assert record("loss", 1) is False
        assert caught[0].filename == __file__
    assert metrics.requests == []
    sdk.warn_on_metric_outside_of_pipeline = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sdk.record_metric_value("loss", 1) is False
    sdk.close()


def test_an_asynchronous_client_warns_too(metrics: FakeServer, time: FakeTime) -> None:
    sdk = make_client("async", metrics, time)
    with pytest.warns(UserWarning, match="nothing was sent"):
        assert sdk.record_metric_value("loss", 1) is False
    sdk.close()


def test_the_execution_is_that_of_the_context_then_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("__craft_internal_execution_context")
    module.current_execution_id = contextvars.ContextVar("current_execution_id")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("CRAFT_AI_EXECUTION_ID", "latest")
    execution_context._context_module.cache_clear()
    module.current_execution_id.set("mine")  # type: ignore[attr-defined]
    assert get_execution_id() == "mine"
    seen: list[str | None] = []
    thread = threading.Thread(target=lambda: seen.append(get_execution_id()))
    thread.start()
    thread.join()
    assert seen == ["latest"]


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_execution_there_is_none(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv("CRAFT_AI_EXECUTION_ID", value)
    assert get_execution_id() is None


@pytest.mark.parametrize(("method", "path"), [("get_metrics", SINGLE), ("get_list_metrics", LIST)])
def test_all_pages_of_metrics_are_read(sdk: Any, server: FakeServer, method: str, path: str) -> None:
    pages = [{"metrics": [{"name": f"m{number}"}], "total_count": 2} for number in (1, 2)]
    server.on("GET", path, *pages)
    assert getattr(sdk, method)("m", pipeline_name="p q") == [{"name": "m1"}, {"name": "m2"}]
    assert [dict(request.url.params) for request in server.requests] == [
        {"filters[name]": "m", "filters[pipeline_name]": "p q", "items_per_page": "5000", "page": str(page)}
        for page in (1, 2)
    ]


def test_a_count_that_is_too_high_ends_all_the_same(sdk: Any, server: FakeServer) -> None:
    server.on("GET", SINGLE, {"metrics": [{"name": "m"}], "total_count": 9}, {"metrics": [], "total_count": 9})
    assert sdk.get_metrics() == [{"name": "m"}]
    server.on("GET", SINGLE, {"total_count": 0})
    assert sdk.get_metrics() == []


def test_resource_metrics_are_values_or_a_file(sdk: Any, server: FakeServer) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 2, tzinfo=timezone.utc)
    server.on("GET", f"{API}/resource-metrics", {"additional_data": {}, "metrics": {}}, csv)
    assert sdk.get_resource_metrics(start, end) == {"additional_data": {}, "metrics": {}}
    assert sdk.get_resource_metrics(start, end, csv=True) == b"a,b\n"
    assert [dict(request.url.params) for request in server.requests] == [
        {"start": "1767225600000", "end": "1767312000000", "download": download} for download in ("False", "True")
    ]


def csv(request: Any) -> Any:
    import httpx

    return httpx.Response(200, content=b"a,b\n", headers={"Content-Type": "text/csv; charset=utf-8"})


# --- the rest ---


def test_executions_are_listed_page_by_page(sdk: Any, server: FakeServer) -> None:
    def page(count: int, start: int) -> list[dict[str, str]]:
        return [{"execution_id": f"e{number}"} for number in range(start, start + count)]

    server.on("GET", f"{API}/executions", page(100, 0), page(100, 100), page(3, 200))
    assert len(sdk.list_executions("p", status="Failed")) == 203
    assert [dict(request.url.params) for request in server.requests] == [
        {"pipeline_name": "p", "status": "Failed", "limit": "100"},
        {"pipeline_name": "p", "status": "Failed", "limit": "100", "before": "e99"},
        {"pipeline_name": "p", "status": "Failed", "limit": "100", "before": "e199"},
    ]
    server.requests.clear()
    server.on("GET", f"{API}/executions", page(100, 0), page(20, 100))
    assert len(sdk.list_executions(deployment_name="d", limit=120)) == 120
    assert [request.url.params["limit"] for request in server.requests] == ["100", "20"]
    with pytest.raises(ValueError, match="'limit' must be at least 1"):
        sdk.list_executions(limit=0)


def test_project_settings_are_read_and_changed(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/project-information", {"language": "python:3.11-slim"})
    server.on("PUT", f"{API}/project-information", {"language": "python:3.12-slim"})
    assert sdk.get_project_information() == {"language": "python:3.11-slim"}
    changed = sdk.update_project_information(language="python:3.12-slim", requirements_path=None)
    assert changed == {"language": "python:3.12-slim"}
    assert json.loads(server.requests[1].content) == {"language": "python:3.12-slim", "requirements_path": None}


def test_templates_come_without_their_wrapping(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/pipeline-templates", {"pipeline_templates": [{"name": "t"}]})
    server.on("GET", f"{API}/pipeline-templates/t", {"name": "t", "inputs": []})
    assert sdk.list_pipeline_templates() == [{"name": "t"}]
    assert sdk.get_pipeline_template("t") == {"name": "t", "inputs": []}


def test_users_come_from_the_control_address(server: FakeServer, time: FakeTime, kind: str) -> None:
    client = make_client(kind, server, time, control_url=f"{BASE}/control")
    server.on("POST", f"/control{API}/auth/refresh", {"access_token": "t"})
    server.on("GET", f"/control{API}/users/me", {"id": "1", "name": "n", "email": "e", "role": "x"})
    server.on("GET", f"/control{API}/users/7", {"id": "7"})
    assert client.who_am_i() == {"id": "1", "name": "n", "email": "e"}
    assert client.get_user("7") == {"id": "7"}
    client.close()


def test_a_vector_database_is_found_by_the_environment(sdk: Any, server: FakeServer) -> None:
    credentials = {"vector_database_url": "https://vectors.example/", "vector_database_token": "secret"}
    server.on("GET", f"{API}/environment-info", {"environment_id": "env"})
    server.on("GET", f"{API}/environments/env/vector-database", credentials)
    assert sdk.get_vector_database_credentials() == credentials
    assert "Authorization" not in server.requests[0].headers
    client = sdk.get_async_weaviate_client()
    parameters = client._connection._connection_params
    assert (parameters.http.host, parameters.http.port, parameters.http.secure) == ("vectors.example", 8080, True)
    assert (parameters.grpc.port, parameters.grpc.secure) == (8082, True)


def test_without_the_package_of_the_vector_database_its_name_is_told(
    sdk: Any, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = {"vector_database_url": "https://v", "vector_database_token": "secret"}
    server.on("GET", f"{API}/environment-info", {"environment_id": "env"})
    server.on("GET", f"{API}/environments/env/vector-database", credentials)
    monkeypatch.setitem(sys.modules, "weaviate", None)
    for method in (sdk.get_weaviate_client, sdk.get_async_weaviate_client):
        with pytest.raises(ModuleNotFoundError, match="pip install weaviate-client"):
            method()


def test_variables_are_set_listed_and_deleted(sdk: Any, server: FakeServer) -> None:
    path = f"{API}/environment-variables"
    server.on("PUT", path, (200, None))
    server.on("GET", path, [{"name": "A", "value": "1"}])
    server.on("DELETE", f"{path}/A", {"name": "A", "value": "1"})
    assert sdk.create_or_update_environment_variable("A", 1) is None
    assert json.loads(server.requests[0].content) == {"environment_variables": {"A": 1}}
    assert sdk.list_environment_variables() == [{"name": "A", "value": "1"}]
    assert sdk.delete_environment_variable("A") == {"name": "A", "value": "1"}


def test_an_execution_has_one_shape_whatever_its_state(sdk: Any, server: FakeServer) -> None:
    def item(side: str, name: str, data_type: str, kind: str, **more: Any) -> dict[str, Any]:
        place = {"endpoint_name": name, "is_required": True, f"run_{side}_name": name}
        return {
            f"pipeline_{side}_name": name,
            "data_type": data_type,
            "mapping_type": kind,
            "mapping_value": place,
            **more,
        }

    execution = {
        "execution_id": "e",
        "status": "Succeeded",
        "inputs": [item("input", "i", "file", "run"), item("input", "stored", "file", "datastore")],
        "outputs": [item("output", "o", "number", "endpoint", value=3), item("output", "f", "file", "datastore")],
    }
    for side, name in (("inputs", "i"), ("outputs", "f")):
        server.on("GET", f"{API}/executions/e/{side}/{name}", binary)
    server.on("GET", f"{API}/executions/e", lambda _: json.loads(json.dumps(execution)))
    assert sdk.get_pipeline_execution("e") == {
        "execution_id": "e",
        "status": "Succeeded",
        "inputs": [
            {"pipeline_input_name": "i", "data_type": "file", "endpoint_name": "i", "source": "run", "value": b"\x00"},
            {
                "pipeline_input_name": "stored",
                "data_type": "file",
                "endpoint_name": "stored",
                "source": "datastore",
                "value": None,
            },
        ],
        "outputs": [
            {
                "pipeline_output_name": "o",
                "data_type": "number",
                "endpoint_name": "o",
                "destination": "endpoint",
                "value": 3,
            },
            {
                "pipeline_output_name": "f",
                "data_type": "file",
                "endpoint_name": "f",
                "destination": "datastore",
                "value": b"\x00",
            },
        ],
    }
    assert sdk.get_pipeline_execution_output("e", "f")["value"] == b"\x00"
    assert server.requests[-2].url.query == b"include_io_values=false"
    with pytest.raises(NotFoundError, match='execution e has no input "x"; it has: i, stored'):
        sdk.get_pipeline_execution_input("e", "x")
    execution["status"] = "Running"
    server.requests.clear()
    assert sdk.get_pipeline_execution("e")["outputs"][1]["value"] is None
    assert f"GET {API}/executions/e/outputs/f" not in server.paths


def binary(request: Any) -> Any:
    import httpx

    return httpx.Response(200, content=b"\x00", headers={"Content-Type": "application/octet-stream; x=y"})


def test_a_client_that_nobody_holds_closes_its_connections() -> None:
    sdk = CraftAiSdk("t", "http://h")
    client = sdk._http._client
    del sdk
    gc.collect()
    assert client.is_closed


def test_a_client_is_closed_by_its_block() -> None:
    with CraftAiSdk("t", "http://h") as sdk:
        assert sdk._http._client.is_closed is False
    assert sdk._http._client.is_closed is True
