"""A client that keeps a connection waiting is cut off; one that is waited for by nobody is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from pipeyard.slow_clients import LEAST_BYTES, Connection, SlowClients

pytestmark = pytest.mark.anyio

STALL_S = 30.0
POST = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000\r\n"


class Served:
    """An application behind connections of ours, and a clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now_s = asyncio.get_running_loop().time()
        self.state = ServerState()
        self.slow = SlowClients(STALL_S, lambda: self.now_s)
        self.received = 0
        self.ended = asyncio.Event()
        self.held = asyncio.Event()
        self.large = b""
        self.is_reading = True

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            while self.is_reading and (message := await receive())["type"] == "http.request":
                self.received += len(message["body"])
                if not message["more_body"]:
                    break
            await self.held.wait()
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", b"%d" % len(self.large))],
                }
            )
            await send({"type": "http.response.body", "body": self.large})
        finally:
            self.ended.set()

    def connection(self) -> Connection:
        config = uvicorn.Config(self.application, interface="asgi3", http=Connection, access_log=False, log_config=None)
        return Connection(config=config, server_state=self.state, app_state={})

    async def settle(self) -> None:
        """Let everybody read what was sent."""
        for _ in range(20):
            await asyncio.sleep(0.001)

    async def pass_s(self, seconds: float) -> None:
        await self.settle()
        self.slow.sweep(self.state.connections)  # type: ignore[arg-type]
        self.now_s += seconds
        self.slow.sweep(self.state.connections)  # type: ignore[arg-type]
        await self.settle()

    @property
    def open(self) -> int:
        return len(self.state.connections)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    made = Served()
    made.held.set()
    yield made
    made.held.set()
    await made.settle()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    server = await asyncio.get_running_loop().create_server(served.connection, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1024)
    yield Client(reader, writer)
    writer.close()
    server.close()
    await served.settle()


async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(served: Served, client: Client) -> None:
    await served.pass_s(STALL_S - 1)
    assert served.open == 1
    await served.pass_s(1)
    assert await client.reader.read() == b""


async def test_a_head_that_does_not_end_is_refused_however_it_trickles(served: Served, client: Client) -> None:
    for byte in POST[:30]:
        await client.send(bytes([byte]))
        await served.pass_s(1)
    answer = await client.reader.read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"client_stall_s" in answer
    assert served.open == 0


async def test_a_body_that_stalls_is_refused_and_its_request_ends(served: Served, client: Client) -> None:
    await client.send(POST + b"\r\n" + b"x" * LEAST_BYTES)
    await served.pass_s(STALL_S)
    assert (await client.reader.read()).startswith(b"HTTP/1.1 408 ")
    await served.ended.wait()


async def test_a_body_that_trickles_is_refused(served: Served, client: Client) -> None:
    await client.send(POST + b"\r\n")
    for _ in range(31):
        client.writer.write(b"x" * 100)
        await served.pass_s(1)
    assert served.open == 0


async def test_a_slow_body_that_comes_is_not_refused(served: Served, client: Client) -> None:
    await client.send(POST + b"\r\n")
    for _ in range(20):
        await client.send(b"x" * LEAST_BYTES)
        await served.pass_s(STALL_S - 1)
    assert served.open == 1
    assert served.received == 20 * LEAST_BYTES


async def test_a_call_that_is_held_waits_for_nobody(served: Served, client: Client) -> None:
    served.held.clear()
    await client.send(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
    for _ in range(5):
        await served.pass_s(STALL_S)
    served.held.set()
    assert (await client.reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_is_not_taken_is_not_the_clients_delay(served: Served, client: Client) -> None:
    served.held.clear()
    served.is_reading = False
    client.writer.write(POST + b"\r\n" + b"x" * 500_000)
    for _ in range(3):
        await served.pass_s(STALL_S)
    assert served.open == 1


async def test_a_client_that_does_not_take_its_answer_is_cut_off(served: Served, client: Client) -> None:
    served.large = b"x" * 50_000_000
    await client.send(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
    await served.pass_s(STALL_S - 1)
    assert served.open == 1
    await served.pass_s(2)
    assert served.open == 0


async def test_a_connection_that_is_kept_between_two_requests_is_left_to_its_own_time_limit(
    served: Served, client: Client
) -> None:
    for _ in range(3):
        await client.send(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        await served.pass_s(STALL_S - 1)
    await served.pass_s(STALL_S)
    assert served.open == 1
