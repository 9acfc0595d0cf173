"""An object store on real sockets, which can lose connections and parts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ETAG = '"v1"'


class Store:
    """What it holds, what came, and when it fails."""

    def __init__(self) -> None:
        self.url = ""
        self.content = b""  # of the object that is downloaded
        self.etags = [ETAG]  # of the downloads in turn; the last stays
        self.knows_ranges = True
        self.cut_after: list[int] = []  # bytes after which each of the next downloads is cut off
        self.parts: dict[str, int] = {}  # sizes by path
        self.bodies: dict[str, bytes] = {}  # of what is small
        self.headers: list[dict[str, str]] = []
        self.refused: set[str] = set()
        self.lost = 0  # how many of the next uploads get no answer
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        with self.store.lock:
            self.store.at_once += 1
            self.store.most_at_once = max(self.store.most_at_once, self.store.at_once)
        size, kept = self._read()
        with self.store.lock:
            self.store.at_once -= 1
            if self.store.lost:
                self.store.lost -= 1
                self.close_connection = True
                return
            self.store.headers.append(dict(self.headers))
            self.store.parts[self.path] = size
            self.store.bodies[self.path] = kept
        if self.path in self.store.refused:
            self._answer(
                403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no &amp; no</Message></Error>"
            )
        else:
            self._answer(200, b"", {"ETag": f'"etag-{self.path[1:]}"'})

    def do_POST(self) -> None:
        self.do_PUT()

    def do_GET(self) -> None:
        store = self.store
        store.headers.append(dict(self.headers))
        if self.path == "/missing":
            self._answer(
                404, b"<Error><Code>NoSuchKey</Code><Message>The key does not exist</Message><Key>k</Key></Error>"
            )
            return
        etag = store.etags.pop(0) if len(store.etags) > 1 else store.etags[0]
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match and store.knows_ranges and self.headers["If-Range"] == etag else 0
        content = store.content[start:]
        cut = store.cut_after.pop(0) if store.cut_after else None
        status = 206 if start else 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(content[:cut])
        self.close_connection = cut is not None

    def _read(self) -> tuple[int, bytes]:
        left = int(self.headers["Content-Length"])
        size, kept = left, b""
        while left:
            chunk = self.rfile.read(min(left, 65536))
            left -= len(chunk)
            kept += chunk if size < 100_000 else b""
        return size, kept

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read nothing."""


@contextmanager
def open_store() -> Iterator[Store]:
    """On a free port, until the end."""
    store = Store()
    handler = type("Handler", (_Handler,), {"store": store})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        store.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()
