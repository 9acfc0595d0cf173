"""The signed URLs of our own server: what they open, for how long, to whom, and how they refuse."""

from __future__ import annotations

import hmac
import io
import tarfile
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from pipeyard.wire import SIGNED_CONTENT_PATH
from tests.platforms import Platform

STORE = "/api/v1/data-store"
CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def api(platform: Platform) -> Iterator[httpx.Client]:
    with platform.http() as client:
        yield client


@pytest.fixture
def stranger(platform: Platform) -> Iterator[httpx.Client]:
    """Somebody without any token but that in a URL."""
    with httpx.Client(timeout=30) as client:
        yield client


def _upload_url(api: httpx.Client, path: str) -> str:
    return api.get(f"{STORE}/upload", params={"path_to_object": path}).json()["signed_url"]


def _download_url(api: httpx.Client, path: str) -> str:
    return api.post(f"{STORE}/download", data={"path_to_object": path}).json()["signed_url"]


def _put(api: httpx.Client, path: str, content: bytes = CONTENT) -> str:
    """The URL to read what was uploaded."""
    assert httpx.post(_upload_url(api, path), files={"file": content}).status_code == 204
    return _download_url(api, path)


def _refusal(answer: httpx.Response, status: int) -> dict[str, str | None]:
    """The children of the XML error."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/xml")
    root = ET.fromstring(answer.text)
    assert root.tag == "Error"
    found = {child.tag: child.text for child in root}
    assert set(found) == {"Code", "Message", "RequestId"}
    assert found["RequestId"] == answer.headers["x-request-id"]
    return found


def test_an_object_comes_back_with_headers_that_no_browser_shows_as_a_page(
    api: httpx.Client, stranger: httpx.Client
) -> None:
    answer = stranger.get(_put(api, "signed/a b é.html"))
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b%20%C3%A9.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"


def test_an_empty_object_has_no_bytes_and_no_range(api: httpx.Client, stranger: httpx.Client) -> None:
    url = _put(api, "signed/empty", b"")
    assert (stranger.get(url).status_code, stranger.get(url).content) == (200, b"")
    assert _refusal(stranger.get(url, headers={"Range": "bytes=0-"}), 416)["Code"] == "InvalidRange"


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=10-", 10, len(CONTENT)),
        ("bytes=-7", len(CONTENT) - 7, len(CONTENT)),
        ("bytes=-999999", 0, len(CONTENT)),
        ("bytes=10000-999999", 10_000, len(CONTENT)),
        ("Bytes = 1 - 2", 1, 3),
    ],
)
def test_a_range_is_a_part_of_the_object(
    api: httpx.Client, stranger: httpx.Client, wanted: str, start: int, stop: int
) -> None:
    url = _put(api, "signed/ranged")
    for method in ("GET", "HEAD"):
        answer = stranger.request(method, url, headers={"Range": wanted})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"
        assert answer.headers["content-length"] == str(stop - start)
        assert answer.content == (CONTENT[start:stop] if method == "GET" else b"")


@pytest.mark.parametrize("wanted", ["bytes=5-1", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "", "bytes=--1"])
def test_what_is_no_single_range_is_not_heeded(api: httpx.Client, stranger: httpx.Client, wanted: str) -> None:
    answer = stranger.get(_put(api, "signed/ranged"), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("wanted", [f"bytes={len(CONTENT)}-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(api: httpx.Client, stranger: httpx.Client, wanted: str) -> None:
    answer = stranger.get(_put(api, "signed/ranged"), headers={"Range": wanted})
    assert _refusal(answer, 416)["Code"] == "InvalidRange"
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_an_etag_spares_the_bytes_that_the_caller_has(api: httpx.Client, stranger: httpx.Client) -> None:
    url = _put(api, "signed/etag")
    etag = stranger.head(url).headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        answer = stranger.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert stranger.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert stranger.get(url, headers={"If-Match": etag}).status_code == 200
    assert _refusal(stranger.get(url, headers={"If-Match": '"other"'}), 412)["Code"] == "PreconditionFailed"
    ranged = {"Range": "bytes=0-3", "If-Range": etag}
    assert stranger.get(url, headers=ranged).status_code == 206
    _put(api, "signed/etag", b"another content")
    assert stranger.get(url, headers={"If-None-Match": etag}).content == b"another content"
    assert stranger.get(url, headers=ranged).content == b"another content"


def test_head_tells_of_an_object_without_its_bytes(api: httpx.Client, stranger: httpx.Client) -> None:
    answer = stranger.head(_put(api, "signed/head"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert stranger.head(_download_url(api, "signed/gone")).status_code == 404


def test_an_object_that_is_not_there_is_no_such_key(api: httpx.Client, stranger: httpx.Client) -> None:
    refused = _refusal(stranger.get(_download_url(api, "signed/<gone>")), 404)
    assert (refused["Code"], refused["Message"]) == ("NoSuchKey", 'no object named "signed/<gone>"')


def test_the_code_of_a_pipeline_is_read_by_a_signed_url_too(
    platform: Platform, api: httpx.Client, stranger: httpx.Client
) -> None:
    name = platform.create_pipeline("def main(): return {}")
    url = api.get(f"/api/v1/pipelines/{name}/download").json()["signed_url"]
    assert url.startswith(f"{platform.url}{SIGNED_CONTENT_PATH}?token=")
    answer = stranger.get(url)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == 'attachment; filename="code.tgz"'
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert archive.getnames()
    assert stranger.head(url).headers["content-length"] == str(len(answer.content))
    assert _refusal(stranger.put(url, content=b"x"), 403)["Code"] == "AccessDenied"
    assert _refusal(stranger.post(url, files={"file": b"x"}), 403)["Code"] == "AccessDenied"
    platform.sdk.delete_pipeline(name)
    assert _refusal(stranger.get(url), 404)["Code"] == "NoSuchKey"


def _tokens(platform: Platform, api: httpx.Client) -> dict[str, str]:
    """Tokens that open nothing."""
    good = _put(api, "signed/guarded").partition("token=")[2]
    signing_key = (platform.data_dir / "keys" / "signing.key").read_text().strip()
    derived = hmac.digest(signing_key.encode(), b"signed urls of the data store", "sha256")
    claims: dict[str, Any] = jwt.decode(good, derived, algorithms=["HS256"])
    return {
        "none": "",
        "rubbish": "a.b.c",
        "changed": good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
        "unsigned": jwt.encode(claims, "", "none"),
        "the key of access tokens": jwt.encode(claims, signing_key, "HS256"),
        "an access token": api.headers["Authorization"].removeprefix("Bearer "),
        "expired": jwt.encode(claims | {"exp": 1}, derived, "HS256"),
        "to write": _upload_url(api, "signed/guarded").partition("token=")[2],
        "a header nested deeply": "W" * 9999 + ".e30.",
    }


def test_a_token_that_is_not_the_urls_own_opens_nothing(
    platform: Platform, api: httpx.Client, stranger: httpx.Client
) -> None:
    for what, token in _tokens(platform, api).items():
        answer = stranger.get(f"{platform.url}{SIGNED_CONTENT_PATH}", params={"token": token})
        assert _refusal(answer, 403)["Code"] == "AccessDenied", what


def test_a_url_to_read_does_not_write_and_the_other_way_round(api: httpx.Client, stranger: httpx.Client) -> None:
    read, write = _put(api, "signed/one way"), _upload_url(api, "signed/one way")
    assert _refusal(stranger.post(read, files={"file": b"x"}), 403)["Code"] == "AccessDenied"
    assert _refusal(stranger.put(read, content=b"x"), 403)["Code"] == "AccessDenied"
    assert _refusal(stranger.put(write, content=b"x"), 403)["Code"] == "AccessDenied"
    assert _refusal(stranger.get(write), 403)["Code"] == "AccessDenied"
    assert stranger.get(read).content == CONTENT
    assert _refusal(stranger.delete(read), 405)["Code"] == "MethodNotAllowed"


@pytest.mark.parametrize(
    ("request_of", "said"),
    [
        ({"files": {"other": b"x"}}, "file: is missing"),
        ({"data": {"file": "no file name"}}, "file: is missing"),
        ({"json": {"file": "x"}}, "Content-Type"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, "boundary"),
        (
            {
                "content": b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncut off',
                "headers": {"Content-Type": "multipart/form-data; boundary=b"},
            },
            "boundary",
        ),
    ],
    ids=["another field", "no file name", "JSON", "nothing", "cut off"],
)
def test_an_upload_that_is_no_form_with_a_file_leaves_nothing(
    platform: Platform, api: httpx.Client, stranger: httpx.Client, request_of: dict[str, Any], said: str
) -> None:
    refused = _refusal(stranger.post(_upload_url(api, "signed/never"), **request_of), 400)
    assert refused["Code"] == "InvalidRequest"
    assert said in str(refused["Message"])
    assert api.post(f"{STORE}/information", json={"path_to_object": "signed/never"}).status_code == 404
    assert list((platform.data_dir / "uploads").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"123", b"12345"])
def test_a_part_has_exactly_the_length_that_was_announced(
    platform: Platform, api: httpx.Client, stranger: httpx.Client, content: bytes
) -> None:
    asked = {"path_to_object": "signed/parts"}
    upload = api.post(f"{STORE}/upload/multipart", json=asked).json()
    fields = asked | {"multipart_upload_configuration": upload, "part_number": 1, "chunk_size": 16, "size": 4}
    url = api.post(f"{STORE}/upload/multipart/part", json=fields).json()["signed_url"]
    assert "instead of the 4 announced" in str(_refusal(stranger.put(url, content=content), 400)["Message"])
    ended = api.post(
        f"{STORE}/upload/multipart/end",
        json=asked | {"multipart_upload_configuration": upload, "parts": [{"number": 1}]},
    )
    assert (ended.status_code, "was not stored" in ended.text) == (400, True)
    answer = stranger.put(url, content=b"1234")
    assert (answer.status_code, answer.content) == (200, b"")
    parts = [{"number": 1, "metadata": answer.headers["etag"]}]
    ended = api.post(
        f"{STORE}/upload/multipart/end", json=asked | {"multipart_upload_configuration": upload, "parts": parts}
    )
    assert ended.json()["size"] == 4
    assert _refusal(stranger.put(url, content=b"1234"), 404)["Code"] == "NoSuchKey"
    assert list((platform.data_dir / "uploads").iterdir()) == []


def test_a_list_comes_in_pages(api: httpx.Client) -> None:
    for name in ("1", "2/3", "2", "é"):
        _put(api, f"signed/pages/{name}", b"x")
    query: dict[str, Any] = {"folder_path": "signed/pages", "limit": 3, "include_continuation_token": "t"}
    first = api.get(f"{STORE}/list", params=query).json()
    second = api.get(f"{STORE}/list", params=query | {"continuation_token": first["continuation_token"]}).json()
    assert [[one["path"] for one in page["items"]] for page in (first, second)] == [
        ["signed/pages/1", "signed/pages/2", "signed/pages/2/3"],
        ["signed/pages/é"],
    ]
    assert second["continuation_token"] is None
    assert set(first["items"][0]) == {"path", "last_modified", "size"}
    assert api.get(f"{STORE}/list", params={"folder_path": "signed/page"}).json()["items"] == []


def test_the_path_may_come_in_a_form_in_json_and_in_the_query(api: httpx.Client) -> None:
    for options in ({"data": {"path_to_object": "signed/x"}}, {"json": {"path_to_object": "signed/x"}}):
        _put(api, "signed/x")
        assert api.request("DELETE", f"{STORE}/delete", **options).json() == {"path": "signed/x"}
    _put(api, "signed/x")
    assert api.delete(f"{STORE}/delete", params={"path_to_object": "signed/x"}).json() == {"path": "signed/x"}


def test_urls_are_those_of_the_address_that_the_caller_used(platform: Platform, api: httpx.Client) -> None:
    port = platform.url.rpartition(":")[2]
    other = httpx.get(
        f"http://localhost:{port}/environments/default{STORE}/upload",
        params={"path_to_object": "signed/x"},
        headers={"Authorization": api.headers["Authorization"]},
    )
    expected = f"http://localhost:{port}/environments/default{SIGNED_CONTENT_PATH}?token="
    assert other.json()["signed_url"].startswith(expected)


def test_whoever_reads_while_an_object_is_replaced_gets_one_whole_version(
    api: httpx.Client, stranger: httpx.Client
) -> None:
    versions = [bytes([number]) * (50_000 + 70_000 * number) for number in range(4)]
    read, write = _put(api, "signed/replaced", versions[0]), _upload_url(api, "signed/replaced")
    done = threading.Event()

    def replace() -> int:
        count = 0
        while not done.is_set() or count <= 5:
            count += httpx.post(write, files={"file": versions[count % len(versions)]}).status_code == 204
        return count

    with ThreadPoolExecutor() as pool:
        replacing = pool.submit(replace)
        seen: set[bytes] = set()
        while len(seen) < 2 or not replacing.done():
            seen.add(stranger.get(read).content)
            if len(seen) > 1:
                done.set()
        assert replacing.result() > 5
    assert seen <= set(versions)


def test_an_upload_beyond_the_limit_is_stopped(tmp_path: Path) -> None:
    platform = Platform(tmp_path, file_max_bytes=1000).start()
    try:
        with platform.http() as api:
            url = _upload_url(api, "x")
            assert _refusal(httpx.post(url, files={"file": bytes(1001)}), 413)["Code"] == "EntityTooLarge"
            assert _refusal(httpx.post(url, files={"file": bytes(2_000_000)}), 413)["Code"] == "EntityTooLarge"
            assert httpx.post(url, files={"file": bytes(1000)}).status_code == 204
    finally:
        platform.stop()
