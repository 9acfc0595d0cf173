"""Tokens, lost connections, errors: what every call goes through."""

from __future__ import annotations

import base64
import gzip
import json
import os
import pickle
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeyard import (
    AuthenticationError,
    ConflictError,
    CraftAiSdk,
    ExecutionFailedError,
    NotFoundError,
    QueueFullError,
    SdkException,
    UnreachableError,
    WaitTimeoutError,
)
from pipeyard.sdk import execution_context
from pipeyard.sdk.retries import DELAYS_S
from tests.sdk.clients import API, FakeServer, FakeTime, make_client

LIST = f"{API}/pipelines"
LOST = [httpx.ReadError("reset"), httpx.RemoteProtocolError("server disconnected"), httpx.WriteError("broken pipe")]


def access_token(lifetime_s: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 5, "exp": 5 + lifetime_s}).encode()).decode().rstrip("=")
    return f"head.{claims}.signature"


# --- tokens ---


def test_a_token_is_used_until_shortly_before_its_end(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("POST", f"{API}/auth/refresh", lambda _: server._refresh() | {"access_token": access_token(1800)})
    server.on("GET", LIST, [])
    for elapsed_s, refreshes in ((0, 1), (1679, 1), (1, 2), (1679, 2)):
        time.now_s += elapsed_s
        sdk.list_pipelines()
        assert server.refreshes == refreshes
    assert server.requests[0].headers["Authorization"] == f"Bearer {access_token(1800)}"


def test_a_short_lived_token_is_not_renewed_at_every_call(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("POST", f"{API}/auth/refresh", lambda _: server._refresh() | {"access_token": access_token(100)})
    server.on("GET", LIST, [])
    for elapsed_s, refreshes in ((0, 1), (49, 1), (2, 2)):
        time.now_s += elapsed_s
        sdk.list_pipelines()
        assert server.refreshes == refreshes


def test_a_refused_token_is_renewed_once_and_the_call_repeated(sdk: Any, server: FakeServer) -> None:
    server.on("DELETE", f"{API}/deployments/d", (401, {"message": "expired"}), {"name": "d"})
    assert sdk.delete_deployment("d") == {"name": "d"}
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer token-1", "Bearer token-2"]


def test_a_second_refusal_is_raised(sdk: Any, server: FakeServer) -> None:
    server.on("GET", LIST, (401, {"name": "Authentication", "message": "no"}))
    with pytest.raises(AuthenticationError, match="no"):
        sdk.list_pipelines()
    assert len(server.requests) == 2


def test_a_file_is_sent_whole_again_after_a_refused_token(sdk: Any, server: FakeServer) -> None:
    server.on("POST", f"{API}/deployments/d/executions", (401, {"message": "x"}), (202, {"execution_id": "e"}))
    sdk.trigger_endpoint("d", inputs={"f": OnlyOnce(b"content")}, wait_for_completion=False)
    assert b"content" in server.requests[0].content
    assert b"content" in server.requests[1].content


def test_a_decompressed_input_goes_with_its_own_size(sdk: Any, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"in\xff.gz")
    path.write_bytes(gzip.compress(b"x" * 10_000))
    server.on("POST", f"{API}/deployments/d/executions", (202, {"execution_id": "e"}))
    with gzip.open(path) as file:
        sdk.trigger_endpoint("d", inputs={"f": file}, wait_for_completion=False)
    sdk.trigger_endpoint("d", inputs={"f": path}, wait_for_completion=False)
    for request, content in zip(server.requests, (b"x" * 10_000, path.read_bytes()), strict=True):
        assert b'name="f"; filename="f"' in request.content
        assert b"\r\n" + content + b"\r\n" in request.content
        assert int(request.headers["Content-Length"]) == len(request.content)


class OnlyOnce:
    """A stream that cannot be rewound."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        size = len(self._data) if size < 0 else size
        data, self._data = self._data[:size], self._data[size:]
        return data


def test_a_wrong_sdk_token_is_told_as_the_server_tells_it(sdk: Any, server: FakeServer) -> None:
    server.on("POST", f"{API}/auth/refresh", (401, {"name": "Authentication", "message": "the SDK token is wrong"}))
    with pytest.raises(AuthenticationError, match="the SDK token is wrong"):
        sdk.list_pipelines()


# --- lost connections ---


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda sdk: sdk.list_pipelines(), "GET", LIST),
        (lambda sdk: sdk.create_or_update_environment_variable("A", "1"), "PUT", f"{API}/environment-variables"),
        (lambda sdk: sdk.delete_deployment("d"), "DELETE", f"{API}/deployments/d"),
        (lambda sdk: sdk.get_pipeline_logs("p"), "POST", f"{API}/pipelines/p/logs"),
    ],
    ids=["get", "put", "delete", "a post that reads"],
)
def test_what_may_be_repeated_is_sent_again(
    sdk: Any, server: FakeServer, time: FakeTime, error: Exception, call: Any, method: str, path: str
) -> None:
    server.on(method, path, error, error, [] if method in ("GET", "POST") else {})
    call(sdk)
    assert len(server.requests) == 3
    assert time.pauses == list(DELAYS_S[:2])


@pytest.mark.parametrize("error", [*LOST, httpx.ReadTimeout("slow")], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda sdk: sdk.create_deployment("p", "d", "endpoint"), f"{API}/endpoints"),
        (lambda sdk: sdk.trigger_endpoint("d", inputs={}), f"{API}/deployments/d/executions"),
        (lambda sdk: sdk.generate_new_endpoint_token("d"), f"{API}/endpoints/d/generate-new-token"),
    ],
)
def test_a_post_that_may_have_been_accepted_is_never_sent_again(
    sdk: Any, server: FakeServer, error: Exception, call: Any, path: str
) -> None:
    server.on("POST", path, error)
    with pytest.raises(UnreachableError, match="may have been carried out") as caught:
        call(sdk)
    assert caught.value.name == "RequestError"
    assert server.paths == [f"POST {path}"]


def test_a_post_that_never_left_is_sent_again(sdk: Any, server: FakeServer) -> None:
    server.on("POST", f"{API}/deployments/d/executions", httpx.ConnectError("refused"), (202, {"execution_id": "e"}))
    assert sdk.trigger_endpoint("d", wait_for_completion=False) == {"execution_id": "e"}


def test_a_server_that_never_answered_is_told_at_once(kind: str, time: FakeTime) -> None:
    client = make_client(kind, refuse, time)
    with pytest.raises(UnreachableError, match=r"http://pipeyard\.test cannot be reached .*check the address"):
        client.list_pipelines()
    assert time.pauses == []
    client.close()


def test_a_wrong_address_beside_a_right_one_is_told_at_once(kind: str, server: FakeServer, time: FakeTime) -> None:
    def split(request: httpx.Request) -> httpx.Response:
        return server(request) if request.url.host == "control.test" else refuse(request)

    client = make_client(kind, split, time, control_url="http://control.test")
    with pytest.raises(UnreachableError, match=r"http://pipeyard\.test cannot be reached .*check the address"):
        client.list_pipelines()
    assert server.refreshes == 1
    assert time.pauses == []
    client.close()


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def test_a_server_that_is_gone_is_given_time_to_restart_then_told(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("GET", LIST, [], httpx.ConnectError("refused"))
    sdk.list_pipelines()
    with pytest.raises(UnreachableError):
        sdk.list_pipelines()
    assert time.pauses == list(DELAYS_S)
    assert sorted(time.pauses) == time.pauses


def test_a_slow_answer_is_not_asked_for_again(sdk: Any, server: FakeServer) -> None:
    server.on("GET", LIST, httpx.ReadTimeout("slow"))
    with pytest.raises(UnreachableError):
        sdk.list_pipelines()
    assert len(server.requests) == 1


# --- errors ---


@pytest.mark.parametrize(
    ("status", "name", "kind_of_error"),
    [
        (404, "NotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (400, "InvalidInput", SdkException),
        (500, "ExecutionFailed", ExecutionFailedError),
        (500, "ExecutionError", ExecutionFailedError),
        (500, "InternalError", SdkException),
    ],
)
def test_an_error_has_the_class_and_the_data_of_the_answer(
    sdk: Any, server: FakeServer, status: int, name: str, kind_of_error: type
) -> None:
    body = {"name": name, "message": "what is wrong", "request_id": "r1", "additional_data": {"field": "x"}}
    server.on("GET", LIST, (status, body))
    with pytest.raises(SdkException) as caught:
        sdk.list_pipelines()
    error = caught.value
    assert type(error) is kind_of_error
    assert (error.message, error.status_code, error.name) == ("what is wrong", status, name)
    assert (error.request_id, error.additional_data) == ("r1", {"field": "x"})
    assert str(error) == f"[{name}] what is wrong\nAdditional data: {{'field': 'x'}}\nRequest id: r1"


def test_the_text_of_a_failed_execution_says_what_to_do(sdk: Any, server: FakeServer) -> None:
    data = {"execution_id": "e1", "reason": "out_of_memory", "remedy": "use less", "traceback": "File x\n"}
    server.on("GET", LIST, (500, {"name": "ExecutionFailed", "message": "too much", "additional_data": data}))
    with pytest.raises(ExecutionFailedError) as caught:
        sdk.list_pipelines()
    assert str(caught.value).splitlines()[:3] == ["[ExecutionFailed] too much", "What to do: use less", "File x"]
    assert (caught.value.execution_id, caught.value.reason) == ("e1", "out_of_memory")
    assert caught.value.remedy == "use less"


def test_a_full_queue_says_when_to_come_back(sdk: Any, server: FakeServer) -> None:
    server.on("GET", LIST, lambda _: httpx.Response(429, json={"message": "full"}, headers={"Retry-After": "7"}))
    with pytest.raises(QueueFullError) as caught:
        sdk.list_pipelines()
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("content", [b"<html>no</html>", b"[1]", b"\xff"])
def test_an_error_that_cannot_be_read_is_shown(sdk: Any, server: FakeServer, content: bytes) -> None:
    server.on("GET", LIST, lambda _: httpx.Response(502, content=content))
    with pytest.raises(SdkException, match="cannot be read") as caught:
        sdk.list_pipelines()
    assert "currently unreachable" in str(caught.value)


def test_a_refusal_inside_an_execution_says_what_code_may_do(
    sdk: Any, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("GET", LIST, (403, {"message": "not allowed"}))
    for execution_id, is_told in ((None, False), ("e1", True)):
        monkeypatch.setattr(execution_context, "_context_module", lambda: None)
        if execution_id is not None:
            monkeypatch.setenv("CRAFT_AI_EXECUTION_ID", execution_id)
        with pytest.raises(SdkException) as caught:
            sdk.list_pipelines()
        assert ("trigger endpoints and read" in str(caught.value)) is is_told


@pytest.mark.parametrize("kind_of_error", [SdkException, ExecutionFailedError, WaitTimeoutError])
def test_an_error_survives_the_way_to_another_process(kind_of_error: type[SdkException]) -> None:
    error = kind_of_error("what is wrong", 500, "Name", "r1", {"execution_id": "e"})
    same = pickle.loads(pickle.dumps(error))
    assert (type(same), str(same), vars(same)) == (kind_of_error, str(error), vars(error))


# --- addresses ---


@pytest.mark.parametrize("name", ["", ".", "..", None, 7])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_sent(sdk: Any, server: FakeServer, name: Any) -> None:
    with pytest.raises(ValueError, match="cannot be a name"):
        sdk.delete_pipeline(name)
    assert server.requests == []


def test_a_name_stays_one_segment_of_the_path(sdk: Any, server: FakeServer) -> None:
    server.on("DELETE", f"{API}/deployments/b%3Fc%23%20%C3%A9", {})
    sdk.delete_deployment("b?c# é")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((None, "http://h"), "CRAFT_AI_SDK_TOKEN"),
        (("", "http://h"), "sdk_token"),
        (("t", None), "CRAFT_AI_ENVIRONMENT_URL"),
        (("t", "localhost:8000"), "no address"),
        (("t", "ftp://h"), "no address"),
        (("t", "http://"), "no address"),
        (("t", "http://[::1"), "no address"),
        (("t", "http://h/ x"), "no address"),
        (("t", "http://h\n"), "no address"),
        (("t", "http://h:port"), "no address"),
        (("t", "http://h?a=b"), "no address"),
        (("t", 5), "environment_url.* must be text, got int"),
        (("t", "http://h", "nonsense"), "control_url"),
    ],
)
def test_a_client_without_its_addresses_is_refused(
    arguments: tuple[Any, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SDK_TOKEN", "ENVIRONMENT_URL", "CONTROL_URL"):
        monkeypatch.delenv(f"CRAFT_AI_{name}", raising=False)
    with pytest.raises(ValueError, match=told):
        CraftAiSdk(*arguments)


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_AI_SDK_TOKEN", "t")
    monkeypatch.setenv("CRAFT_AI_ENVIRONMENT_URL", "http://env/")
    monkeypatch.delenv("CRAFT_AI_CONTROL_URL", raising=False)
    with CraftAiSdk() as sdk:
        assert (sdk.base_environment_url, sdk.base_control_url) == ("http://env", "http://env")
    monkeypatch.setenv("CRAFT_AI_CONTROL_URL", "http://control")
    with CraftAiSdk() as sdk:
        assert sdk.base_control_url == "http://control"


def test_the_token_is_not_in_the_repr() -> None:
    with CraftAiSdk("very-secret", "http://h") as sdk:
        assert "very-secret" not in repr(sdk)
