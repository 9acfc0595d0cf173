"""The load generator: N callers in a closed loop over keep-alive HTTP/1.1, in a process of its own.

Reads one JSON object on stdin (a Plan), writes one on stdout (a Round). The same for every side that is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from bench.tally import Round, Tally

ANSWER_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Plan:
    """What one round sends. Every body is `{"x": number}`, and the answer must carry `{"y": the same number}`."""

    url: str
    callers: int
    warm_up_s: float
    measured_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    outputs_at: str | None = None  # the key of the answer that holds the outputs; None: the answer itself
    own_time_at: str | None = None  # the output with the function's own seconds, taken off the latency
    at_least_calls: int = 1  # of each caller that count, however long they take


class Caller(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, checks it, sends the next."""

    def __init__(self, plan: Plan, number: int, tally: Tally) -> None:
        self._plan, self._tally = plan, tally
        self._head = _request_head(plan)
        self._x = number * 1_000_000
        self._buffer = b""
        self._sent_at = 0.0
        self._counted = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        self._send()

    def _send(self) -> None:
        self._x += 1
        body = b'{"x": %d}' % self._x
        self._sent_at = time.perf_counter()
        self._transport.write(b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body))

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        arrived_at = time.perf_counter()
        try:
            found = split_answer(self._buffer)
            if found is None:
                return
            own_time_s = check_answer(self._plan, *found, self._x)
        except (ValueError, KeyError, TypeError) as error:
            self._tally.fail(f"{error!r} in {self._buffer[:300]!r}")
        else:
            self._tally.note(self._sent_at, arrived_at, own_time_s)
        self._buffer = b""
        self._counted += self._sent_at >= self._tally.begin_at
        if arrived_at < self._tally.end_at or self._counted < self._plan.at_least_calls:
            self._send()
        else:
            self._end()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._tally.fail(f"the connection was lost: {error}")
            self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


def split_answer(data: bytes) -> tuple[int, bytes] | None:
    """The status and body of one whole answer, None while some of it is missing. Raises ValueError for chunks."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError(f"an answer without a length is not read here: {head!r}")
    length = int(head[at + 17 :].split(b"\r\n", 1)[0])
    if len(data) < end + 4 + length:
        return None
    if len(data) > end + 4 + length:
        raise ValueError("more bytes came than the answer has")
    return int(data[9:12]), data[end + 4 :]


def check_answer(plan: Plan, status: int, body: bytes, x: int) -> float:
    """The function's own seconds (0 where it does not tell). Raises ValueError or KeyError for a wrong answer."""
    if status != 200:
        raise ValueError("the status is not 200")
    outputs = json.loads(body)
    if plan.outputs_at is not None:
        outputs = outputs[plan.outputs_at]
    if outputs["y"] != x:
        raise ValueError(f"y is not {x}")
    return float(outputs[plan.own_time_at]) if plan.own_time_at is not None else 0.0


def _request_head(plan: Plan) -> bytes:
    parts = urlsplit(plan.url)
    headers = {"Host": parts.netloc, "Content-Type": "application/json", **plan.headers}
    lines = [f"POST {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in lines).encode()


async def measure(plan: Plan) -> Round:
    """One round: all callers at once, warm-up, then the measured time."""
    begin_at = time.perf_counter() + plan.warm_up_s
    tally = Tally(begin_at, begin_at + plan.measured_s)
    parts = urlsplit(plan.url)
    loop = asyncio.get_running_loop()
    cpu_s, started_at = time.process_time(), time.perf_counter()
    made = [
        await loop.create_connection(lambda n=number: Caller(plan, n, tally), parts.hostname, parts.port)
        for number in range(plan.callers)
    ]
    _, late = await asyncio.wait(
        [caller.done for _, caller in made], timeout=plan.warm_up_s + plan.measured_s + ANSWER_TIMEOUT_S
    )
    for _ in late:
        tally.fail(f"no answer within {ANSWER_TIMEOUT_S} s of the end")
    return tally.round((time.process_time() - cpu_s) / (time.perf_counter() - started_at))


def _runner() -> Callable[..., Any]:
    """uvloop where it is installed."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415

        return uvloop.run
    return asyncio.run


if __name__ == "__main__":
    print(json.dumps(asdict(_runner()(measure(Plan(**json.load(sys.stdin)))))))
