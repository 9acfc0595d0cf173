"""Logs are read in parts and followed as they come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from pipeyard import NotFoundError, UnreachableError
from tests.sdk.clients import API, FakeServer, FakeTime, make_client

FOLLOWED = [
    ("follow_pipeline_logs", "pipelines"),
    ("follow_deployment_logs", "deployments"),
    ("follow_execution_logs", "executions"),
]


class Lines(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A stream of text that may end in an error."""

    def __init__(self, *texts: str, error: Exception | None = None) -> None:
        self._texts = texts
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from (text.encode() for text in self._texts)
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for text in self:
            yield text


def line(message: str) -> str:
    return json.dumps({"timestamp": "t", "message": message, "stream": "stdout"}) + "\n"


def stream(*texts: str, error: Exception | None = None) -> Any:
    return lambda _: httpx.Response(200, stream=Lines(*texts, error=error))


@pytest.mark.parametrize(("method", "kind_of_log"), FOLLOWED)
def test_lines_come_until_the_end_whatever_their_pieces(
    sdk: Any, server: FakeServer, method: str, kind_of_log: str
) -> None:
    whole = line("one") + "\n" + line("zwei é") + "  \n" + line("three")
    server.on("GET", f"{API}/{kind_of_log}/x/logs", stream(whole[:20], whole[20:90], whole[90:]))
    lines = list(getattr(sdk, method)("x"))
    assert lines == [json.loads(line(message)) for message in ("one", "zwei é", "three")]
    assert server.requests[0].url.query == b"follow=true"


def test_a_lost_stream_goes_on_where_it_was_lost(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    lost = httpx.ReadError("reset")
    server.on(
        "GET",
        f"{API}/executions/x/logs",
        stream(line("a"), line("b"), error=lost),
        httpx.ConnectError("refused"),
        stream(line("a"), error=httpx.ReadTimeout("no heartbeat")),
        stream(line("a"), line("b"), line("c")),
    )
    assert [each["message"] for each in sdk.follow_execution_logs("x")] == ["a", "b", "c"]
    assert time.pauses == [0.1, 0.3, 1.0]


def test_a_stream_that_stays_lost_is_given_up(sdk: Any, server: FakeServer, time: FakeTime) -> None:
    server.on("GET", f"{API}/executions/x/logs", stream(line("a"), error=httpx.ReadError("reset")))
    lines = iter(sdk.follow_execution_logs("x"))
    assert next(lines)["message"] == "a"
    with pytest.raises(UnreachableError):
        next(lines)


def test_an_error_in_place_of_a_stream_is_raised(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/executions/x/logs", (404, {"name": "NotFound", "message": 'no execution named "x"'}))
    with pytest.raises(NotFoundError, match="no execution"):
        list(sdk.follow_execution_logs("x"))


def test_a_refused_token_is_renewed_for_a_stream(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/executions/x/logs", (401, {"message": "expired"}), stream(line("a")))
    assert len(list(sdk.follow_execution_logs("x"))) == 1


def test_a_reader_may_stop_early(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/deployments/x/logs", stream(line("a"), line("b")))
    for each in sdk.follow_deployment_logs("x"):
        assert each["message"] == "a"
        break


def test_a_part_of_a_log_is_asked_for_in_milliseconds(sdk: Any, server: FakeServer) -> None:
    server.on("POST", f"{API}/executions/e/logs", [[{"message": "m"}]])
    instant = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert sdk.get_pipeline_execution_logs("e", instant, instant.replace(microsecond=999_999), 7) == [{"message": "m"}]
    wanted = {"from": 1767225600000, "to": 1767225600999, "limit": 7}
    assert json.loads(server.requests[0].content) == wanted
    server.on("POST", f"{API}/executions/e/logs", [])
    assert sdk.get_pipeline_execution_logs("e") == []
    assert json.loads(server.requests[1].content) == {}
    local = datetime(2026, 1, 1)
    sdk.get_pipeline_execution_logs("e", local)
    assert json.loads(server.requests[2].content) == {"from": int(local.timestamp() * 1000)}
    with pytest.raises(ValueError, match=r"datetime\.datetime, got str"):
        sdk.get_pipeline_execution_logs("e", "2026-01-01")


def test_a_build_shows_its_log_while_it_is_waited_for(
    kind: str, server: FakeServer, time: FakeTime, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = {"parameters": {"pipeline_name": "p"}, "creation_info": {"status": "ready"}}
    server.on("GET", f"{API}/pipelines/p", pipeline)
    server.on("GET", f"{API}/pipelines/p/executions/latest", {})
    server.on("GET", f"{API}/pipelines/p/logs", stream(line("collecting [numpy]"), line("done")))
    client = make_client(kind, server, time, verbose_log=True)
    client.get_pipeline("p", wait_for_completion=True)
    assert capsys.readouterr().err.splitlines() == ["collecting [numpy]", "done"]
    # Without such a stream it is built in silence.
    server.on("GET", f"{API}/pipelines/p/logs", (405, {"message": "GET is not allowed"}))
    client.get_pipeline("p", wait_for_completion=True)
    client.close()


def test_a_silent_client_does_not_ask_for_the_log(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/pipelines/p", {"creation_info": {"status": "ready"}})
    server.on("GET", f"{API}/pipelines/p/executions/latest", {})
    sdk.get_pipeline("p", wait_for_completion=True)
    assert server.paths == [f"GET {API}/pipelines/p", f"GET {API}/pipelines/p/executions/latest"]
