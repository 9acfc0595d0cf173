"""Cuts off clients that keep a connection waiting: for the head of a request, its body, or to take the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LEAST_BYTES = 16_384  # of a body, in each span of the time that a client has


class Connection(HttpToolsProtocol):
    """uvicorn's, which also knows how much of bodies has come, and since when the client does not take its answer."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.body_bytes = 0
        self.answer_waits_since_s = 0.0

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self.body_bytes += len(body)
        super().on_body(body)

    def pause_writing(self) -> None:
        """Called by the transport when so much waits that no more is taken from the application."""
        self.answer_waits_since_s = self.loop.time()
        super().pause_writing()


@dataclass(frozen=True)
class _Wait:
    """Since when a connection waits for its client, and how much of bodies it had got by then."""

    request: object  # each request has a scope of its own; None: nothing has come yet
    is_body: bool
    since_s: float
    body_bytes: int


class SlowClients:
    """Looks at all connections from time to time, so that a request costs nothing for it."""

    def __init__(self, stall_s: float, now_s: Callable[[], float]) -> None:
        self._stall_s = stall_s
        self._now_s = now_s
        self._waits: dict[Connection, _Wait] = {}

    def sweep(self, connections: Iterable[Connection]) -> None:
        """Cut off those that have kept us waiting for too long."""
        before, self._waits = self._waits, {}
        for connection in list(connections):
            if connection.transport.is_closing():
                continue
            if connection.flow.write_paused:
                if self._now_s() - connection.answer_waits_since_s >= self._stall_s:
                    connection.transport.abort()
            elif (wait := self._wait(connection, before.get(connection))) is not None:
                self._waits[connection] = wait
                if self._now_s() - wait.since_s >= self._stall_s:
                    _cut_off(connection, wait, self._stall_s)

    def _wait(self, connection: Connection, before: _Wait | None) -> _Wait | None:
        """None: it does not wait for the client."""
        cycle = connection.cycle
        is_body = cycle is not None and not cycle.response_complete
        if is_body:
            # What we have not asked for or do not take at present is not the client's delay.
            is_ours = not cycle.more_body or cycle.waiting_for_100_continue or connection.flow.read_paused
        else:
            is_ours = connection.timeout_keep_alive_task is not None  # idle between two requests, which has its own end
        if is_ours:
            return None
        wait = _Wait(connection.scope, is_body, self._now_s(), connection.body_bytes)
        if before is None or before.request is not wait.request or before.is_body != is_body:
            return wait
        if is_body and wait.body_bytes - before.body_bytes >= LEAST_BYTES:
            return wait
        return before


def _cut_off(connection: Connection, wait: _Wait, stall_s: float) -> None:
    if wait.is_body:
        if not connection.cycle.response_started:
            connection.transport.write(_answer(f"the body of the request: less than {LEAST_BYTES} bytes", stall_s))
    elif wait.request is not None:
        connection.transport.write(_answer("the head of the request: not its end", stall_s))
    connection.transport.close()


def _answer(what: str, stall_s: float) -> bytes:
    message = f"{what} came in {stall_s:g} s (client_stall_s is the setting)"
    body = json.dumps({"name": "RequestTimeout", "message": message, "request_id": "NO_REQUEST_ID"}).encode()
    head = (
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
