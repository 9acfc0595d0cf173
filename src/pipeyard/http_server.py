"""uvicorn as we run it: our socket, our signals, no log of URLs."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn

from pipeyard import clock
from pipeyard.errors import SettingsError
from pipeyard.settings import Settings
from pipeyard.slow_clients import Connection, SlowClients

KEEP_ALIVE_S = 90  # above the pools of clients, who would otherwise post on a connection that just closed
ANSWER_GRACE_S = 3  # for answers under way when the server ends


@contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """The socket of the setting's host and port. Raises SettingsError when it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"port: cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port or --host"
        ) from error
    with listener:
        yield listener


def local_url(listener: socket.socket) -> str:
    """The server's address as pods and users of this machine reach it."""
    host, port = listener.getsockname()[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{local}:{port}"


class HttpServer(uvicorn.Server):
    """uvicorn, with our signals, a call once it serves, and an eye on slow clients."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], client_stall_s: float) -> None:
        super().__init__(config)
        self._started = started
        self._slow_clients = SlowClients(client_stall_s, clock.monotonic_s)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's hook."""
        await super().startup(sockets)
        self._started()

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's hook, ten times a second."""
        if counter % 10 == 0:
            self._slow_clients.sweep(cast(Iterable[Connection], self.server_state.connections))
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `watch_signals`."""
        yield


def create_server(app: Any, started: Callable[[], None], client_stall_s: float) -> HttpServer:
    """A server for that application; `started` is called once it serves."""
    config = uvicorn.Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        access_log=False,  # URLs may carry endpoint tokens
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=ANSWER_GRACE_S,
        server_header=False,
    )
    return HttpServer(config, started, client_stall_s)


def watch_signals(server: HttpServer, ending: Callable[[], None]) -> Callable[[], bool]:
    """SIGINT and SIGTERM end the server, after a call of `ending`. Returns whether SIGINT was among them."""
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        server.force_exit = bool(received)  # the second one does not wait for answers
        received.append(number)
        server.should_exit = True
        ending()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    return lambda: signal.SIGINT in received
