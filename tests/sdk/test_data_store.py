"""Uploads and downloads, over real sockets to a store that sometimes fails."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeyard import CraftAiSdk, NotFoundError, SdkException, UnreachableError
from pipeyard.sdk.retries import DELAYS_S
from tests.sdk.clients import API, BASE, FakeServer, FakeTime, make_client
from tests.sdk.stores import Store, open_store

MB = 1_000_000


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store() as opened:
        yield opened


@pytest.fixture
def api(server: FakeServer, store: Store) -> FakeServer:
    """The platform's side of the data store."""
    server.on("GET", f"{API}/data-store/upload", {"signed_url": f"{store.url}/whole", "fields": {"key": "k é", "n": 1}})
    server.on("POST", f"{API}/data-store/upload/multipart", {"upload_id": "u"})

    def place(request: httpx.Request) -> Any:
        number = json.loads(request.content)["part_number"]
        return {"signed_url": f"{store.url}/part{number}", "headers": {"x-part": str(number)}}

    server.on("POST", f"{API}/data-store/upload/multipart/part", place)
    server.on("POST", f"{API}/data-store/upload/multipart/end", {})
    server.on("POST", f"{API}/data-store/download", {"signed_url": f"{store.url}/object"})
    return server


class Split(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The fake platform at its address, the network at all others."""

    def __init__(self, api: FakeServer) -> None:
        self._fake = httpx.MockTransport(api)
        self._network, self._async_network = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        chosen = self._fake if str(request.url).startswith(BASE) else self._network
        return chosen.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        chosen = self._fake if str(request.url).startswith(BASE) else self._async_network
        return await chosen.handle_async_request(request)

    def close(self) -> None:
        self._network.close()

    async def aclose(self) -> None:
        await self._async_network.aclose()


@pytest.fixture
def sdk(kind: str, api: FakeServer, time: FakeTime) -> Iterator[Any]:
    sizes = {"multipart_threshold_b": 64, "multipart_part_size_b": 16}
    client = make_client(kind, api, time, http_transport=Split(api), **sizes)
    yield client
    client.close()


# --- uploads ---


def file_object(content: bytes) -> io.BytesIO:
    file = io.BytesIO(content)
    file.seek(0, io.SEEK_END)
    return file


class OnlyOnce:
    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


@pytest.mark.parametrize("size", [0, 1, 63])
@pytest.mark.parametrize("source", ["text", "path", "buffer", "stream"])
def test_what_is_small_goes_in_one_form(
    sdk: Any, api: FakeServer, store: Store, tmp_path: Path, source: str, size: int
) -> None:
    content = b"x" * size
    path = tmp_path / "in.bin"
    path.write_bytes(content)
    given = {"text": str(path), "path": path, "buffer": file_object(content), "stream": OnlyOnce(content)}[source]
    sdk.upload_data_store_object(given, "my/in é.txt")
    assert api.requests[0].url.query == b"path_to_object=my%2Fin+%C3%A9.txt"
    body = store.bodies["/whole"]
    assert 'name="key"\r\n\r\nk é\r\n'.encode() in body
    assert b'name="n"\r\n\r\n1\r\n' in body
    assert b'name="file"; filename="file"' in body
    assert body.endswith(b"\r\n\r\n" + content + body[body.rindex(b"\r\n--") :])
    assert "Authorization" not in store.headers[0]


@pytest.mark.parametrize("verbose", [False, True])
def test_a_decompressed_file_goes_with_its_own_size(
    kind: str, api: FakeServer, store: Store, time: FakeTime, tmp_path: Path, verbose: bool
) -> None:
    content = b"x" * 10_000
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress(content))
    client = make_client(kind, api, time, http_transport=Split(api), verbose_log=verbose)
    with gzip.open(path) as file:
        client.upload_data_store_object(file, "x")
    client.close()
    assert b"\r\n" + content + b"\r\n" in store.bodies["/whole"]


def test_an_upload_whose_connection_is_lost_is_sent_again_whole(
    sdk: Any, store: Store, time: FakeTime, tmp_path: Path
) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"content")
    for source in (path, file_object(b"content"), OnlyOnce(b"content")):
        store.lost, time.pauses = 2, []
        store.bodies.clear()
        sdk.upload_data_store_object(source, "x")
        assert store.lost == 0
        assert time.pauses == list(DELAYS_S[:2])
        assert b"\r\ncontent\r\n" in store.bodies["/whole"]


def test_a_local_name_that_is_no_text_does_not_matter(sdk: Any, store: Store, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"f\xff.txt")
    path.write_bytes(b"content")
    sdk.upload_data_store_object(path, "x")
    with path.open("rb") as file:
        sdk.upload_data_store_object(file, "x")
    assert b"\r\ncontent\r\n" in store.bodies["/whole"]


@pytest.mark.parametrize("size", [64, 65, 66, 79, 80, 81, 160])
def test_what_is_large_goes_in_parts_with_their_real_sizes(
    sdk: Any, api: FakeServer, store: Store, tmp_path: Path, size: int
) -> None:
    content = bytes(range(size))
    path = tmp_path / "big"
    path.write_bytes(content)
    for source in (path, file_object(content), OnlyOnce(content)):
        store.bodies.clear()
        api.requests.clear()
        sdk.upload_data_store_object(source, "big")
        count = -(-size // 16)
        assert b"".join(store.bodies[f"/part{number}"] for number in range(1, count + 1)) == content
        sent = [json.loads(request.content) for request in api.requests]
        parts = sorted((each for each in sent if "part_number" in each), key=lambda each: each["part_number"])
        assert [part["chunk_size"] for part in parts] == [16] * count
        assert [part.get("size") for part in parts] == [None] * (count - 1) + [size]
        assert sent[-1] == {
            "path_to_object": "big",
            "multipart_upload_configuration": {"upload_id": "u"},
            "parts": [{"number": number, "metadata": f'"etag-part{number}"'} for number in range(1, count + 1)],
        }
    assert {headers["x-part"] for headers in store.headers} == {str(number) for number in range(1, count + 1)}


def test_parts_go_a_few_at_once_and_never_all_in_memory(
    kind: str, api: FakeServer, store: Store, time: FakeTime, tmp_path: Path
) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(60 * MB)
    options = {"multipart_threshold_b": MB, "multipart_part_size_b": MB, "http_transport": Split(api)}
    client = make_client(kind, api, time, **options)
    tracemalloc.start()
    client.upload_data_store_object(path, "big")
    store.content = b""
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    client.close()
    assert sum(store.parts.values()) == 60 * MB
    assert peak < 30 * MB
    assert 1 < store.most_at_once <= 4


def test_a_part_that_is_refused_ends_the_upload(sdk: Any, api: FakeServer, store: Store) -> None:
    store.refused = {"/part3"}
    with pytest.raises(SdkException, match="no & no") as caught:
        sdk.upload_data_store_object(io.BytesIO(b"x" * 1600), "big")
    assert (caught.value.name, caught.value.status_code) == ("AccessDenied", 403)
    assert f"POST {API}/data-store/upload/multipart/end" not in api.paths
    assert len(store.parts) < 100


@pytest.mark.parametrize("given", [3, None, io.StringIO("x"), ["x"]])
def test_what_cannot_be_read_is_refused_before_anything_is_sent(sdk: Any, api: FakeServer, given: Any) -> None:
    with pytest.raises(ValueError, match="filepath_or_buffer"):
        sdk.upload_data_store_object(given, "x")
    for open_text in (tempfile.TemporaryFile, tempfile.NamedTemporaryFile):
        with open_text("w+") as text, pytest.raises(ValueError, match="binary mode"):
            sdk.upload_data_store_object(text, "x")
    assert api.requests == []


def test_a_file_that_is_not_there_is_told(sdk: Any, api: FakeServer) -> None:
    with pytest.raises(FileNotFoundError):
        sdk.upload_data_store_object("/nowhere", "x")
    assert api.requests == []


# --- downloads ---


@pytest.mark.parametrize("target", ["text", "path", "buffer"])
def test_a_download_goes_to_a_path_or_a_buffer(sdk: Any, store: Store, tmp_path: Path, target: str) -> None:
    store.content = bytes(range(256)) * 1000
    path, buffer = tmp_path / "out.bin", io.BytesIO()
    sdk.download_data_store_object("x", {"text": str(path), "path": path, "buffer": buffer}[target])
    assert (buffer.read() if target == "buffer" else path.read_bytes()) == store.content
    assert "Authorization" not in store.headers[0]
    assert [file.name for file in tmp_path.iterdir()] == ([] if target == "buffer" else ["out.bin"])


def test_a_download_keeps_the_mode_and_the_links_of_what_it_replaces(sdk: Any, store: Store, tmp_path: Path) -> None:
    store.content = b"new"
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to("target")
    for mode in (0o600, 0o666, 0o755):
        target.chmod(mode)
        sdk.download_data_store_object("x", link)
        assert link.is_symlink()
        assert target.read_bytes() == b"new"
        assert stat.S_IMODE(target.stat().st_mode) == mode
    assert {file.name for file in tmp_path.iterdir()} == {"target", "link"}


def test_a_download_to_a_new_file_has_the_usual_mode(sdk: Any, store: Store, tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    sdk.download_data_store_object("x", tmp_path / ("n" * 255))
    assert (tmp_path / ("n" * 255)).stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_lost_download_goes_on_where_it_was_lost(
    sdk: Any, store: Store, time: FakeTime, tmp_path: Path, knows_ranges: bool
) -> None:
    store.content = bytes(range(256)) * 4000
    store.knows_ranges = knows_ranges
    store.cut_after = [0, 300_000, 300_001]
    sdk.download_data_store_object("x", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == store.content
    if knows_ranges:
        assert [headers.get("Range") for headers in store.headers] == [
            None,
            None,
            "bytes=300000-",
            "bytes=600001-",
        ]


@pytest.mark.parametrize("etags", [['"v1"', '"v2"'], ['"v1"', ""], [""]])
def test_what_may_have_changed_meanwhile_is_not_put_together(
    sdk: Any, store: Store, tmp_path: Path, etags: list[str]
) -> None:
    store.content = b"x" * 1000
    store.cut_after = [500]
    store.etags = list(etags)
    path = tmp_path / "out"
    path.write_text("what was there")
    with pytest.raises(SdkException, match="may have changed"):
        sdk.download_data_store_object("x", path)
    assert path.read_text() == "what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_store_that_stays_away_is_given_up(sdk: Any, store: Store, time: FakeTime) -> None:
    store.content = b"x" * 1000
    store.cut_after = [10] + [0] * 20
    with pytest.raises(UnreachableError):
        sdk.download_data_store_object("x", io.BytesIO())


def test_an_object_that_is_missing_is_told_as_the_store_tells_it(sdk: Any, api: FakeServer, store: Store) -> None:
    api.on("POST", f"{API}/data-store/download", {"signed_url": f"{store.url}/missing"})
    with pytest.raises(NotFoundError, match="The key does not exist") as caught:
        sdk.download_data_store_object("x", io.BytesIO())
    assert (caught.value.name, caught.value.additional_data) == ("NoSuchKey", {"Key": "k"})


@pytest.mark.parametrize("given", [3, None, io.StringIO()])
def test_what_cannot_be_written_is_refused(sdk: Any, given: Any) -> None:
    with pytest.raises(ValueError, match="filepath_or_buffer"):
        sdk.download_data_store_object("x", given)


# --- the rest ---


def test_sizes_are_text_in_powers_of_1024_beside_the_number(sdk: Any, api: FakeServer) -> None:
    sizes = {0: "0.00 B", 1023: "1023.00 B", 1536: "1.50 KB", 1024**3: "1.00 GB", 2 * 1024**5: "2048.00 TB"}
    for size, text in sizes.items():
        api.on("POST", f"{API}/data-store/information", {"path": "p", "last_modified": "t", "size": size})
        information = sdk.get_data_store_object_information("p")
        assert information == {"path": "p", "last_modified": "t", "size": text, "size_bytes": size}


@pytest.mark.parametrize("last_token", [{}, {"continuation_token": None}, {"continuation_token": ""}])
def test_all_pages_of_a_list_are_read(sdk: Any, api: FakeServer, last_token: dict[str, Any]) -> None:
    def page(name: str) -> dict[str, Any]:
        return {"items": [{"path": name, "last_modified": "t", "size": 1}]}

    pages = [page("a") | {"continuation_token": "TOK/2="}, page("b") | last_token]
    api.on("GET", f"{API}/data-store/list", *pages)
    assert [item["path"] for item in sdk.list_data_store_objects("a b/")] == ["a", "b"]
    assert [dict(request.url.params) for request in api.requests] == [
        {"folder_path": "a b/"},
        {"folder_path": "a b/", "continuation_token": "TOK/2="},
    ]
    api.on("GET", f"{API}/data-store/list", *pages)
    assert next(iter(sdk.iter_data_store_objects()))["path"] == "a"


def test_a_deletion_has_its_path_in_the_body(sdk: Any, api: FakeServer) -> None:
    api.on("DELETE", f"{API}/data-store/delete", {"path": "a b"})
    assert sdk.delete_data_store_object("a b") == {"path": "a b"}
    assert api.requests[0].content == b"path_to_object=a+b"


@pytest.mark.parametrize("kind_of_download", ["folder"])
def test_the_code_of_a_pipeline_is_saved_under_its_name(
    sdk: Any, api: FakeServer, store: Store, tmp_path: Path, kind_of_download: str
) -> None:
    store.content = b"archive"
    api.on("GET", f"{API}/pipelines/p/download", {"signed_url": f"{store.url}/object"})
    sdk.download_pipeline_local_folder("p", str(tmp_path))
    assert (tmp_path / "p.tgz").read_bytes() == b"archive"
    with pytest.raises(ValueError, match="'folder'"):
        sdk.download_pipeline_local_folder("p", tmp_path)


def test_sizes_of_parts_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with CraftAiSdk("t", "http://h") as sdk:
        assert (sdk.multipart_threshold_b, sdk.multipart_part_size_b) == (100_000_000, 9_961_472)
    monkeypatch.setenv("CRAFT_AI__MULTIPART_THRESHOLD__B", "1_000")
    monkeypatch.setenv("CRAFT_AI__MULTIPART_PART_SIZE__B", "10")
    with CraftAiSdk("t", "http://h", multipart_part_size_b=20) as sdk:
        assert (sdk.multipart_threshold_b, sdk.multipart_part_size_b) == (1000, 20)
    for value in ("many", "0", "-1"):
        monkeypatch.setenv("CRAFT_AI__MULTIPART_THRESHOLD__B", value)
        with pytest.raises(ValueError, match="CRAFT_AI__MULTIPART_THRESHOLD__B"):
            CraftAiSdk("t", "http://h")
