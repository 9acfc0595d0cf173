"""Holding user code until the test lets it go on."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gate:
    """A tiny HTTP server: user code that calls it is held until the test opens it."""

    def __init__(self) -> None:
        self.opened, self.arrived = threading.Event(), threading.Semaphore(0)
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate.arrived.release()
                gate.opened.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.opened.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
