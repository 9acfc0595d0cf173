"""A provider of chat completions on the loopback address, for pipelines that call one."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Provider:
    """Answers with the last message in capitals. `calls`: what came, as (path, authorization, body)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str | None, Any]] = []
        self.status, self.headers = 200, {}
        self._server = _Server(("127.0.0.1", 0), _Chat)
        self._server.provider = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """As the API of OpenAI does, or an error of its form."""
        if self.status != 200:
            return {"error": {"message": "the model is resting"}}
        message = {"role": "assistant", "content": body["messages"][-1]["content"].upper()}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return {"id": "x", "object": "chat.completion", "choices": choices, "usage": {"total_tokens": 7}}

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: Provider


class _Chat(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        provider = self.server.provider
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        provider.calls.append((self.path, self.headers.get("Authorization"), body))
        content = json.dumps(provider.answer(body)).encode()
        self.send_response(provider.status)
        for name, value in {"Content-Length": str(len(content)), **provider.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.server.provider.calls.append((self.path, self.headers.get("Authorization"), None))
        self.send_error(405)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def opened_provider() -> Iterator[Provider]:
    """A provider for the length of a block."""
    provider = Provider()
    try:
        yield provider
    finally:
        provider.close()
