"""The data store and a server that is killed: nothing is half there, and nothing acknowledged is lost."""

from __future__ import annotations

import io
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from craft_ai_sdk import Input, InputSource, Output, OutputDestination

from tests.e2e.gates import Gate
from tests.platforms import Platform, eventually

STORE = "/api/v1/data-store"
CHUNK = 1_000_000
MEMORY_GROWTH_MAX_BYTES = 60_000_000

WRITES_AFTER_A_GATE = """
import urllib.request

def main(gate, f):
    urllib.request.urlopen(gate, timeout=60).read()
    with open(f["path"]) as file:
        text = file.read()
    with open("out.txt", "w") as file:
        file.write(text + " and back")
    return {"of": {"path": "out.txt"}}
"""


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path, stop_grace_s=0.5).start()
    yield platform
    platform.stop()
    assert platform.processes() == []


def _upload_url(http: httpx.Client, path: str) -> str:
    url: str = http.get(f"{STORE}/upload", params={"path_to_object": path}).json()["signed_url"]
    return url


def _left(platform: Platform) -> list[str]:
    """Files of unfinished uploads, and of objects."""
    folders = ("uploads", "incoming", "part_uploads", "data_store")
    return [str(file) for name in folders for file in (platform.data_dir / name).rglob("*") if file.is_file()]


def _half_an_upload(url: str) -> socket.socket:
    """A form that says it has twice the bytes that were sent."""
    place = urlsplit(url)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    connection = socket.create_connection((place.hostname, place.port))
    connection.sendall(
        f"POST {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {2 * CHUNK}\r\n\r\n".encode()
    )
    connection.sendall(head + bytes(CHUNK))
    return connection


def test_an_upload_that_a_killed_server_was_receiving_leaves_nothing(own_platform: Platform) -> None:
    platform = own_platform
    with platform.http() as http:
        assert httpx.post(_upload_url(http, "whole"), files={"file": b"whole"}).status_code == 204
        with _half_an_upload(_upload_url(http, "half")):
            eventually(lambda: any(Path(file).stat().st_size > CHUNK / 2 for file in _left(platform)))
            platform.kill()
    platform.start()
    assert [one["path"] for one in platform.sdk.list_data_store_objects()] == ["whole"]
    assert [Path(file).name for file in _left(platform)] == ["whole.o"]


def test_an_upload_that_its_caller_gave_up_leaves_nothing(own_platform: Platform) -> None:
    platform = own_platform
    with platform.http() as http, _half_an_upload(_upload_url(http, "half")):
        eventually(lambda: any(Path(file).stat().st_size > CHUNK / 2 for file in _left(platform)))
    eventually(lambda: _left(platform) == [])
    assert platform.sdk.list_data_store_objects() == []


def test_an_upload_in_parts_goes_on_after_a_restart(own_platform: Platform) -> None:
    platform = own_platform
    path = {"path_to_object": "parts"}
    parts = []
    with platform.http() as http:
        upload = {"multipart_upload_configuration": http.post(f"{STORE}/upload/multipart", json=path).json()}
    for number in (1, 2):
        with platform.http() as http:
            fields = path | upload | {"chunk_size": 4, "part_number": number} | ({"size": 6} if number == 2 else {})
            signed = http.post(f"{STORE}/upload/multipart/part", json=fields).json()
            stored = httpx.put(signed["signed_url"], content=b"0123" if number == 1 else b"45")
            parts.append({"number": number, "metadata": stored.headers["ETag"]})
        platform.kill()
        platform.start()
    with platform.http() as http:
        assert http.post(f"{STORE}/upload/multipart/end", json=path | upload | {"parts": parts}).status_code == 200
    back = io.BytesIO()
    platform.sdk.download_data_store_object("parts", back)
    assert back.getvalue() == b"012345"
    assert [Path(file).name for file in _left(platform)] == ["parts.o"]


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_a_file_that_was_produced_while_the_server_was_away_reaches_the_data_store(
    own_platform: Platform, gate: Gate, mode: str
) -> None:
    platform = own_platform
    pipeline = platform.create_pipeline(
        WRITES_AFTER_A_GATE, [Input("gate", "string"), Input("f", "file")], [Output("of", "file")]
    )
    platform.sdk.upload_data_store_object(io.BytesIO(b"there"), "in.txt")
    deployment = platform.deploy(
        pipeline,
        mode,
        inputs_mapping=[InputSource("gate", endpoint_input_name="gate"), InputSource("f", datastore_path="in.txt")],
        outputs_mapping=[OutputDestination("of", datastore_path="out/{execution_id}.txt")],
    )
    answer = platform.call(deployment, {"gate": gate.url}, headers={"Prefer": "respond-async"})
    execution_id = answer.json()["execution_id"]
    assert gate.arrived.acquire(timeout=30)
    platform.kill()
    gate.opened.set()
    platform.start()
    assert platform.sdk.retrieve_pipeline_execution_outputs(execution_id)["outputs"] == {"of": None}
    back = io.BytesIO()
    platform.sdk.download_data_store_object(f"out/{execution_id}.txt", back)
    assert back.getvalue() == b"there and back"


def _memory_bytes(platform: Platform) -> int:
    """The most that the server has had in memory so far."""
    status = Path(f"/proc/{platform.pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


def test_a_large_object_passes_without_being_held_in_memory(own_platform: Platform) -> None:
    platform, size = own_platform, 200 * CHUNK
    piece = os.urandom(CHUNK)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'

    def form() -> Iterator[bytes]:
        yield head
        for _ in range(size // CHUNK):
            yield piece
        yield b"\r\n--b--\r\n"

    with platform.http() as http:
        before = _memory_bytes(platform)
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        assert httpx.post(_upload_url(http, "large"), content=form(), headers=headers, timeout=100).status_code == 204
        url = http.post(f"{STORE}/download", data={"path_to_object": "large"}).json()["signed_url"]
        with httpx.stream("GET", url, timeout=100) as answer:
            assert sum(len(chunk) for chunk in answer.iter_raw()) == size
        assert _memory_bytes(platform) - before < MEMORY_GROWTH_MAX_BYTES
