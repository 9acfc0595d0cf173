"""An S3 that is away, or refuses the platform: callers are told to try again, and nothing of where it is."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeyard import clock
from pipeyard.data_store import s3
from pipeyard.data_store.s3 import S3DataStore
from pipeyard.domain.objects import Part
from pipeyard.errors import SettingsError, UnavailableError

pytestmark = pytest.mark.anyio

BUCKET, PREFIX, ACCESS_KEY = "inner-bucket", "inner-prefix", "INNERACCESSKEY"
REFUSAL = f"<Error><Code>{{code}}</Code><Message>{ACCESS_KEY} may not enter {BUCKET}</Message></Error>"


class _Refusals(BaseHTTPRequestHandler):
    """Lets the bucket be found, and refuses all else."""

    protocol_version = "HTTP/1.1"
    refusal = (403, "AccessDenied")

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, code = self.refusal
        found = self.command == "HEAD" and self.path == f"/{BUCKET}"
        body = b"" if self.command == "HEAD" else REFUSAL.format(code=code).encode()
        self.send_response(200 if found else status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Not into the output of the tests."""


def _open(monkeypatch: pytest.MonkeyPatch, port: int) -> S3DataStore:
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "not a secret",
        "AWS_REGION": "eu-west-3",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return S3DataStore.open(f"s3://{BUCKET}/{PREFIX}")


@pytest.fixture(params=["away", "AccessDenied", "InvalidAccessKeyId"])
def data_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3DataStore]:
    """Opened while all was well."""
    handler = type("Refusals", (_Refusals,), {"refusal": (403, request.param)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()

    def stop() -> None:
        server.shutdown()
        serving.join()
        server.server_close()

    monkeypatch.setattr(s3, "RETRIES_MAX_S", 0.1)
    try:
        data_store = _open(monkeypatch, server.server_port)
        if request.param == "away":
            stop()
        yield data_store
    finally:
        if request.param != "away":
            stop()


async def _drain(content: AsyncIterator[bytes]) -> None:
    async for _ in content:
        pass


OPERATIONS: dict[str, Callable[[S3DataStore, Path], Any]] = {
    "take": lambda store, file: store.take("a", file),
    "copy": lambda store, _: store.copy("a", "b"),
    "find": lambda store, _: store.find("a"),
    "list": lambda store, _: store.list("a/", "", 10),
    "read": lambda store, _: _drain(store.read("a")),
    "delete": lambda store, _: store.delete("a"),
    "delete_folder": lambda store, _: store.delete_folder("a/"),
    "start_upload": lambda store, _: store.start_upload("a"),
    "take_part": lambda store, file: store.take_part("a", "u", 1, file),
    "list_parts": lambda store, _: store.list_parts("a", "u"),
    "finish_upload": lambda store, _: store.finish_upload("a", "u", [Part(1, 1, '"e"')]),
    "sweep_uploads": lambda store, _: store.sweep_uploads(clock.now()),
}


async def test_an_outage_is_told_without_where_the_store_is(
    data_store: S3DataStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, operation in OPERATIONS.items():
        (tmp_path / "file").write_bytes(b"x")
        caplog.clear()
        with pytest.raises(UnavailableError) as told:
            await operation(data_store, tmp_path / "file")
        said = f"{told.value.message} {told.value.additional_data}"
        assert not [word for word in (BUCKET, PREFIX, ACCESS_KEY, "127.0.0.1", "http") if word in said], name
        assert told.value.retry_after_s > 0
        assert "S3 refused, or cannot be reached" in caplog.text, name


def test_a_store_that_is_away_at_the_start_is_a_setting_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(SettingsError, match=f"the bucket {BUCKET} cannot be used"):
            _open(monkeypatch, taken.getsockname()[1])
