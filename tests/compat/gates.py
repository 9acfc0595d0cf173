"""A place where user code and a test meet: pods share the loopback network, so neither has to sleep or to guess."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

WAIT_MAX_S = 20.0

# A second file of a pipeline: `from doors import knock`, then `knock(gate, name)` returns once the test has opened it.
DOORS = """
import asyncio
import urllib.request
from urllib.parse import quote, urlsplit

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def knock(gate, name):
    with _direct.open(f"{gate}/{quote(name)}") as answer:
        answer.read()


async def knock_async(gate, name):
    place = urlsplit(gate)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(f"GET /{quote(name)} HTTP/1.0\\r\\n\\r\\n".encode())
    await reader.read()
    writer.close()
"""


class Gate:
    """`GET /NAME` is recorded as an arrival and answered once the test has opened NAME (or everything)."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._arrived: list[str] = []
        self._open: set[str] = set()
        self._all_open = False
        self._server = _Server(("127.0.0.1", 0), _Knock)
        self._server.gate = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What user code is given."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def arrivals(self) -> list[str]:
        """Who has come so far, in order."""
        with self._change:
            return list(self._arrived)

    def await_arrivals(self, *names: str, count: int | None = None) -> list[str]:
        """Return once these have all come, or that many."""
        with self._change:
            wanted = set(names)
            done = self._change.wait_for(
                lambda: wanted <= set(self._arrived) and len(self._arrived) >= (count or 0), WAIT_MAX_S
            )
            assert done, f"wanted {count or sorted(wanted)} to arrive, came: {self._arrived}"
            return list(self._arrived)

    def open(self, *names: str) -> None:
        """Let these pass, whenever they come; without a name everybody."""
        with self._change:
            self._open.update(names)
            self._all_open = self._all_open or not names
            self._change.notify_all()

    def close(self) -> None:
        """Let everybody pass and stop."""
        self.open()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pass_through(self, name: str) -> None:
        """One arrival: return once it may go on."""
        with self._change:
            self._arrived.append(name)
            self._change.notify_all()
            self._change.wait_for(lambda: self._all_open or name in self._open, 60)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    gate: Gate


class _Knock(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.gate.pass_through(unquote(self.path.removeprefix("/")))
        with contextlib.suppress(OSError):  # whoever knocked may have been ended meanwhile
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def opened_gate() -> Iterator[Gate]:
    """A gate for the length of a block."""
    gate = Gate()
    try:
        yield gate
    finally:
        gate.close()
