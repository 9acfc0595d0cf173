"""One held request at a time, never longer than the caller wants."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipeyard import (
    CreationFailedError,
    ExecutionFailedError,
    NotFoundError,
    SdkException,
    UnreachableError,
    WaitTimeoutError,
)
from tests.sdk.clients import API, FakeServer, FakeTime

OUTPUTS = f"{API}/executions/e/outputs"
DONE = {"outputs": [{"pipeline_output_name": "r", "data_type": "number", "mapping_type": "run", "value": 3}]}


def held(time: FakeTime, answer: Any, hold_s: float = 50.0) -> Any:
    """An answer after the server's hold; cut short as the client asked."""

    def hold(request: httpx.Request) -> Any:
        read_s = request.extensions["timeout"]["read"]
        if read_s < hold_s:
            time.now_s += read_s
            raise httpx.ReadTimeout("cut short")
        time.now_s += hold_s
        return answer

    return hold


def pipeline(status: str) -> dict[str, Any]:
    return {"parameters": {"pipeline_name": "p", "inputs": []}, "creation_info": {"status": status, "id": "x"}}


def deployment(status: str) -> dict[str, Any]:
    return {
        "name": "d",
        "status": status,
        "pipeline": {"name": "p", "id": "x"},
        "id": "x",
        "execution_rule": "endpoint",
    }


def test_a_result_is_waited_for_with_one_held_request_after_the_other(
    sdk: Any, server: FakeServer, time: FakeTime
) -> None:
    server.on("GET", OUTPUTS, held(time, (307, {})), held(time, (307, {})), DONE)
    assert sdk.retrieve_pipeline_execution_outputs("e") == {"execution_id": "e", "outputs": {"r": 3}}
    assert server.paths == [f"GET {OUTPUTS}"] * 3
    assert {request.url.query for request in server.requests} == {b"wait_for_completion=true"}
    assert time.pauses == []


def test_the_last_hold_is_cut_short_by_the_client(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("GET", OUTPUTS, held(time, (307, {})))
    with pytest.raises(WaitTimeoutError, match=r"execution e has not ended within 70 s; it goes on") as caught:
        sdk.retrieve_pipeline_execution_outputs("e", timeout_s=70)
    assert time.now_s == 1070
    assert caught.value.name == "TimeoutException"
    assert caught.value.additional_data == {"execution_id": "e"}
    assert isinstance(caught.value, TimeoutError)
    assert len(server.requests) == 2


def test_a_lost_hold_is_asked_for_again(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("GET", OUTPUTS, httpx.RemoteProtocolError("gone"), httpx.ReadTimeout("silence"), DONE)
    assert sdk.retrieve_pipeline_execution_outputs("e")["outputs"] == {"r": 3}


def test_time_passes_while_the_server_is_gone(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("GET", OUTPUTS, (307, {}), httpx.ConnectError("refused"))
    with pytest.raises(WaitTimeoutError):
        sdk.retrieve_pipeline_execution_outputs("e", timeout_s=4)
    assert time.now_s == pytest.approx(1004)


def test_a_server_that_does_not_hold_is_not_asked_all_the_time(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("GET", OUTPUTS, (307, {}), (307, {}), DONE)
    sdk.retrieve_pipeline_execution_outputs("e")
    assert time.pauses == [1.0, 1.0]


def test_a_failed_execution_ends_the_wait(sdk: Any, server: FakeServer) -> None:
    server.on("GET", OUTPUTS, (500, {"name": "ExecutionFailed", "message": "ValueError: no"}))
    with pytest.raises(ExecutionFailedError, match="ValueError: no"):
        sdk.retrieve_pipeline_execution_outputs("e")


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), "180", True])
def test_a_timeout_that_is_no_time_is_refused_before_anything_is_sent(
    sdk: Any, server: FakeServer, timeout_s: Any
) -> None:
    calls = [
        lambda: sdk.get_pipeline("p", True, timeout_s),
        lambda: sdk.get_deployment("d", True, timeout_s),
        lambda: sdk.update_deployment("d", is_enabled=True, timeout_s=timeout_s),
        lambda: sdk.create_pipeline("p", "m.py", "f", timeout_s=timeout_s),
        lambda: sdk.run_pipeline("p", timeout_s=timeout_s),
        lambda: sdk.trigger_endpoint("d", timeout_s=timeout_s),
        lambda: sdk.create_deployment("p", "d", "endpoint", timeout_s=timeout_s),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="timeout_s"):
            call()
    assert server.requests == []


# --- pipelines and deployments ---


def test_a_build_is_waited_for(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("GET", f"{API}/pipelines/p", held(time, pipeline("creation_pending")), pipeline("ready"))
    server.on("GET", f"{API}/pipelines/p/executions/latest", {"execution_id": None})
    built = sdk.get_pipeline("p", wait_for_completion=True)
    assert built["creation_info"] == {"status": "ready", "last_execution_id": None}
    assert time.pauses == []


def test_a_failed_build_tells_the_end_of_its_log(sdk: Any, server: FakeServer) -> None:
    lines = [{"timestamp": "t", "message": f"line {number}", "stream": "stdout"} for number in range(30)]
    server.on("GET", f"{API}/pipelines/p", pipeline("creation_failed"))
    server.on("POST", f"{API}/pipelines/p/logs", lines)
    with pytest.raises(CreationFailedError) as caught:
        sdk.get_pipeline("p", wait_for_completion=True)
    assert caught.value.name == "CreationFailed"
    assert str(caught.value).splitlines()[1:] == [f"line {number}" for number in range(10, 30)]


@pytest.mark.parametrize("status", ["up", "disabled", "standby"])
def test_a_deployment_is_waited_for_until_it_is_settled(
    sdk: Any, server: FakeServer, time: FakeTime, status: str
) -> None:
    server.on(
        "GET",
        f"{API}/deployments/d",
        held(time, deployment("creation_pending")),
        held(time, deployment("down_retrying")),
        deployment(status),
    )
    server.on("GET", f"{API}/deployments/d/executions/latest", {"execution_id": "e9"})
    assert sdk.get_deployment("d", wait_for_completion=True) == {
        "name": "d",
        "status": status,
        "pipeline": {"name": "p"},
        "execution_rule": "endpoint",
        "last_execution_id": "e9",
    }


def test_a_deployment_that_cannot_start_tells_the_end_of_its_log(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/deployments/d", deployment("creation_failed"))
    server.on("POST", f"{API}/deployments/d/logs", [{"message": "ImportError: no"}])
    with pytest.raises(CreationFailedError, match="ImportError: no") as caught:
        sdk.get_deployment("d", wait_for_completion=True)
    assert caught.value.name == "CreationFailedException"


@pytest.mark.parametrize("latest", [None, {}, (204, None), (404, {"message": "none"})])
def test_without_an_execution_there_is_no_latest(sdk: Any, server: FakeServer, latest: Any) -> None:
    server.on("GET", f"{API}/deployments/d", deployment("up"))
    answer = httpx.Response(204) if isinstance(latest, tuple) and latest[0] == 204 else latest
    server.on("GET", f"{API}/deployments/d/executions/latest", answer)
    assert sdk.get_deployment("d")["last_execution_id"] is None


def test_a_deployment_that_does_not_come_up_is_given_up(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("POST", f"{API}/endpoints", (206, {}))
    server.on("GET", f"{API}/deployments/d", held(time, deployment("creation_pending")))
    with pytest.raises(WaitTimeoutError, match=r'deployment "d" was not ready within 180 s'):
        sdk.create_deployment("p", "d", "endpoint")
    assert time.now_s == 1180


def test_two_minutes_are_the_least_for_a_new_deployment(sdk: Any, server: FakeServer) -> None:
    for timeout_s in (119, 60, 1):
        with pytest.raises(ValueError, match="at least 120 seconds"):
            sdk.create_deployment("p", "d", "endpoint", timeout_s=timeout_s)
    assert server.requests == []
    server.on("POST", f"{API}/endpoints", (201, {}))
    server.on("GET", f"{API}/deployments/d", deployment("up"))
    for enough in (120, 180, None):
        assert sdk.create_deployment("p", "d", "endpoint", timeout_s=enough)["name"] == "d"


def test_without_waiting_nothing_is_held(sdk: Any, server: FakeServer) -> None:
    server.on("POST", f"{API}/endpoints", (206, {}))
    server.on("GET", f"{API}/deployments/d", deployment("creation_pending"))
    created = sdk.create_deployment("p", "d", "endpoint", wait_for_completion=False)
    assert created["status"] == "creation_pending"
    assert server.requests[1].url.query == b""


# --- endpoints ---

CALL = "/endpoints/path"
RESULT = "/endpoints/v1/path/executions/e"
ENDPOINT = deployment("up") | {"endpoint_url_path": "path", "endpoint_token": "secret"}


@pytest.fixture
def endpoint(server: FakeServer) -> FakeServer:
    server.on("GET", f"{API}/deployments/d", ENDPOINT)
    return server


def accepted(_: Any = None) -> httpx.Response:
    return httpx.Response(303, json={"execution_id": "e"}, headers={"Craft-Ai-Execution-Id": "e"})


@pytest.fixture
def accepting(endpoint: FakeServer) -> FakeServer:
    endpoint.on("POST", CALL, accepted)
    endpoint.on("GET", RESULT, {"outputs": {"r": {"value": 1}}})
    return endpoint


def test_a_call_is_two_round_trips_once_its_path_is_known(sdk: Any, accepting: FakeServer) -> None:
    for _ in range(3):
        assert sdk.trigger_endpoint("d", "secret", {"n": 1}) == {"execution_id": "e", "outputs": {"r": 1}}
    assert accepting.paths == [f"GET {API}/deployments/d", *[f"POST {CALL}", f"GET {RESULT}"] * 3]
    request = accepting.requests[-2]
    assert {each.headers["Authorization"] for each in accepting.requests[-2:]} == {"EndpointToken secret"}
    assert "craft-ai-client" not in request.headers
    assert request.headers["Prefer"] == "respond-async"
    assert request.content == b'{"n": 1}'


def test_a_call_goes_on_when_its_connection_is_lost(sdk: Any, accepting: FakeServer) -> None:
    lost = [httpx.RemoteProtocolError("gone"), httpx.ConnectError("refused")]
    accepting.on("GET", RESULT, *lost, {"outputs": {"r": {"value": 1}}})
    assert sdk.trigger_endpoint("d", "secret")["outputs"] == {"r": 1}
    assert accepting.paths.count(f"POST {CALL}") == 1


@pytest.mark.parametrize("token", [None, "secret"])
def test_a_server_that_does_not_come_back_leaves_the_id(sdk: Any, accepting: FakeServer, token: str | None) -> None:
    accepting.on("POST", f"{API}/deployments/d/executions", (202, {"execution_id": "e"}))
    for result in (RESULT, OUTPUTS):
        accepting.on("GET", result, httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError) as caught:
        sdk.trigger_endpoint("d", token)
    assert caught.value.additional_data == {"execution_id": "e"}


def test_a_deployment_that_was_read_needs_no_look_up(sdk: Any, accepting: FakeServer) -> None:
    sdk.get_deployment("d")
    before = len(accepting.paths)
    sdk.trigger_endpoint("d", "secret")
    assert accepting.paths[before:] == [f"POST {CALL}", f"GET {RESULT}"]


@pytest.mark.parametrize("status", [401, 404])
def test_a_path_that_has_changed_is_looked_up_again(sdk: Any, accepting: FakeServer, status: int) -> None:
    assert sdk.trigger_endpoint("d", "secret")["outputs"] == {"r": 1}
    for method, path in (("POST", CALL), ("GET", RESULT)):
        accepting.on(method, path, (status, {"message": "gone"}))
    accepting.on("POST", "/endpoints/new", accepted)
    accepting.on("GET", "/endpoints/v1/new/executions/e", {"outputs": {"r": {"value": 2}}})
    accepting.on("GET", f"{API}/deployments/d", ENDPOINT | {"endpoint_url_path": "new"})
    results = sdk.retrieve_endpoint_results("d", "e", "secret")
    assert results["outputs"] == {"r": 2}
    sdk._endpoint_paths["d"] = "path"
    assert sdk.trigger_endpoint("d", "secret") == results


def test_an_execution_that_is_not_there_is_told_after_one_look(sdk: Any, accepting: FakeServer) -> None:
    accepting.on("GET", RESULT, (404, {"message": "no execution e"}))
    sdk.get_deployment("d")
    before = len(accepting.paths)
    with pytest.raises(NotFoundError, match="no execution e"):
        sdk.retrieve_endpoint_results("d", "e", "secret")
    assert accepting.paths[before:] == [f"GET {RESULT}", f"GET {API}/deployments/d"]


def test_a_long_call_goes_on_with_held_requests(sdk: Any, endpoint: FakeServer, time: FakeTime) -> None:
    endpoint.on("POST", CALL, (303, {"execution_id": "e"}))
    endpoint.on("GET", RESULT, held(time, (307, {})), {"outputs": {"r": {"value": {"url": "http://x"}}}})
    assert sdk.trigger_endpoint("d", "secret") == {"execution_id": "e", "outputs": {"r": {"url": "http://x"}}}
    assert endpoint.paths[1:] == [f"POST {CALL}", f"GET {RESULT}", f"GET {RESULT}"]
    assert endpoint.requests[-1].url.query == b"", "the token is in a header, where no log of a proxy has it"


def test_a_call_without_waiting_is_answered_at_once(sdk: Any, endpoint: FakeServer) -> None:
    endpoint.on("POST", CALL, (303, {"execution_id": "e"}))
    assert sdk.trigger_endpoint("d", "secret", wait_for_completion=False) == {"execution_id": "e"}
    assert sdk.trigger_endpoint("d", "secret", wait_for_results=False) == {"execution_id": "e"}
    assert [request.headers["Prefer"] for request in endpoint.requests[1:]] == ["respond-async"] * 2


@pytest.mark.parametrize("timeout_s", [7.5, 100])
def test_a_call_with_a_timeout_waits_no_longer(
    sdk: Any, accepting: FakeServer, time: FakeTime, timeout_s: float
) -> None:
    accepting.on("GET", RESULT, held(time, (307, {})))
    with pytest.raises(WaitTimeoutError) as caught:
        sdk.trigger_endpoint("d", "secret", timeout_s=timeout_s)
    assert caught.value.additional_data == {"execution_id": "e"}
    assert time.now_s == 1000 + timeout_s


def test_a_timeout_without_an_end_is_none(sdk: Any, accepting: FakeServer) -> None:
    assert sdk.trigger_endpoint("d", "secret", timeout_s=float("inf"))["outputs"] == {"r": 1}


def test_a_file_of_a_result_is_fetched_and_text_that_looks_like_one_is_not(sdk: Any, accepting: FakeServer) -> None:
    url = f"http://elsewhere{CALL}/executions/e/outputs"
    outputs = {"f é": {"url": f"{url}/f"}, "t": {"value": f"{url}/t"}, "n": {"value": None}, "none": {"url": None}}
    accepting.on("GET", RESULT, {"outputs": outputs})
    file = httpx.Response(200, content=b"[1]", headers={"Content-Type": "application/octet-stream"})
    accepting.on("GET", f"{CALL}/executions/e/outputs/f%20%C3%A9", file)
    outputs = sdk.trigger_endpoint("d", "secret")["outputs"]
    assert outputs == {"f é": b"[1]", "t": f"{url}/t", "n": None, "none": None}


def test_a_lost_call_is_not_made_twice(sdk: Any, endpoint: FakeServer) -> None:
    endpoint.on("POST", CALL, httpx.RemoteProtocolError("gone"))
    with pytest.raises(UnreachableError, match="may have been carried out"):
        sdk.trigger_endpoint("d", "secret")
    assert endpoint.paths.count(f"POST {CALL}") == 1


def test_a_deployment_that_is_no_endpoint_is_refused(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/deployments/d", deployment("up") | {"execution_rule": "periodic"})
    with pytest.raises(ValueError, match="is no endpoint: its execution rule is periodic"):
        sdk.trigger_endpoint("d", "secret")


def test_an_error_of_a_call_is_raised(sdk: Any, endpoint: FakeServer) -> None:
    endpoint.on("POST", CALL, (400, {"name": "InvalidInput", "message": "n: is missing"}))
    with pytest.raises(SdkException, match="n: is missing"):
        sdk.trigger_endpoint("d", "secret")
