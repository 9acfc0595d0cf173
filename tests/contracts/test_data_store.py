"""Every data store keeps whole objects by path, and nothing outside of itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

import httpx
import pytest
from tests.s3 import BUCKET, running_s3

from pipeyard import clock
from pipeyard.data_store.local import LocalDataStore
from pipeyard.data_store.s3 import S3DataStore
from pipeyard.domain.objects import Access, Part
from pipeyard.errors import InvalidInputError, NotFoundError
from pipeyard.ports import DataStore

pytestmark = pytest.mark.anyio

# Ends an upload of two parts, and is killed when it comes to `{deadly}`.
KILLED_AT_THE_END = """
import asyncio, os, signal, sys
from pathlib import Path
from pipeyard.data_store.durable_files import DurableFiles
from pipeyard.data_store.local import LocalDataStore
from pipeyard.data_store.part_folders import PartFolders

async def main(root):
    data_store = LocalDataStore(root / "store")
    upload_id = await data_store.start_upload("big")
    for number in (1, 2):
        (root / "part").write_bytes(b"part%d" % number)
        await data_store.take_part("big", upload_id, number, root / "part")
    parts = await data_store.list_parts("big", upload_id)
    print(upload_id, flush=True)
    {deadly} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    await data_store.finish_upload("big", upload_id, parts)

asyncio.run(main(Path(sys.argv[1])))
"""
HOSTILE_PATHS = ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\0b", "a" * 300, "a/", "/"]


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with running_s3() as variables:
        yield variables


@pytest.fixture(params=["local", "s3"])
def data_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataStore:
    if request.param == "local":
        return LocalDataStore(tmp_path / "store")
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    return S3DataStore.open(f"s3://{BUCKET}/{uuid.uuid4().hex}/a.prefix")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "files"
    place.mkdir()
    return place


def _file(folder: Path, content: bytes) -> Path:
    place = folder / uuid.uuid4().hex
    place.write_bytes(content)
    return place


async def _put(data_store: DataStore, folder: Path, *paths: str) -> None:
    for path in paths:
        await data_store.take(path, _file(folder, path.encode()))


async def _content(data_store: DataStore, path: str, *span: int) -> bytes:
    return b"".join([chunk async for chunk in data_store.read(path, *span)])


async def _listed(data_store: DataStore, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
    return [found.path for found in await data_store.list(prefix, after, limit)]


@pytest.mark.parametrize("content", [b"", b"text", bytes(700_000), os.urandom(20_000_000)], ids=len)
async def test_an_object_is_what_the_file_was_and_the_file_is_gone(
    data_store: DataStore, folder: Path, content: bytes
) -> None:
    file = _file(folder, content)
    begun_at = clock.now() - timedelta(seconds=2)  # S3 tells whole seconds
    assert await data_store.take("a/b c/é.bin", file) == len(content)
    assert not file.exists()
    found = await data_store.find("a/b c/é.bin")
    assert found is not None
    assert (found.path, found.size) == ("a/b c/é.bin", len(content))
    assert begun_at <= found.modified_at <= clock.now()
    assert await _content(data_store, "a/b c/é.bin") == content


async def test_an_object_is_replaced_whole_and_its_etag_changes(data_store: DataStore, folder: Path) -> None:
    await data_store.take("x", _file(folder, b"a longer first one"))
    first = await data_store.find("x")
    await data_store.take("x", _file(folder, b"second"))
    second = await data_store.find("x")
    assert await _content(data_store, "x") == b"second"
    assert first is not None
    assert second is not None
    assert first.etag != second.etag
    assert [first.etag[0], first.etag[-1]] == ['"', '"']


async def test_a_part_of_an_object_can_be_read(data_store: DataStore, folder: Path) -> None:
    await data_store.take("x", _file(folder, b"0123456789"))
    assert await _content(data_store, "x", 3) == b"3456789"
    assert await _content(data_store, "x", 3, 5) == b"34"
    assert await _content(data_store, "x", 9, 10) == b"9"


async def test_an_object_that_was_replaced_is_not_read_for_the_one_before(data_store: DataStore, folder: Path) -> None:
    await data_store.take("x", _file(folder, b"first"))
    before = await data_store.find("x")
    assert before is not None
    assert b"".join([chunk async for chunk in data_store.read("x", etag=before.etag)]) == b"first"
    await data_store.take("x", _file(folder, b"other"))
    with pytest.raises(NotFoundError):
        await anext(data_store.read("x", 0, 5, before.etag))


async def test_what_does_not_exist_is_said_so(data_store: DataStore) -> None:
    assert await data_store.find("nothing") is None
    assert not await data_store.delete("nothing")
    assert not await data_store.copy("nothing", "else")
    assert await data_store.find("else") is None
    await data_store.delete_folder("nothing/")
    assert await _listed(data_store, "nothing/") == []
    with pytest.raises(NotFoundError):
        await _content(data_store, "nothing")


async def test_a_folder_is_no_object(data_store: DataStore, folder: Path) -> None:
    await _put(data_store, folder, "folder/x")
    assert await data_store.find("folder") is None
    assert not await data_store.delete("folder")
    with pytest.raises(NotFoundError):
        await _content(data_store, "folder")


async def test_an_object_and_a_folder_can_have_the_same_name(data_store: DataStore, folder: Path) -> None:
    paths = ["a", "a/b", "a/b/c", "a.d", "a.d/b.o", "a.o"]
    await _put(data_store, folder, *paths)
    for path in paths:
        assert await _content(data_store, path) == path.encode()
    assert await data_store.delete("a/b")
    assert await _listed(data_store) == sorted(set(paths) - {"a/b"})
    await data_store.delete_folder("a/")
    assert await _listed(data_store) == ["a", "a.d", "a.d/b.o", "a.o"]


async def test_a_copy_is_an_object_of_its_own(data_store: DataStore, folder: Path) -> None:
    await data_store.take("x", _file(folder, b"first"))
    await data_store.take("deep/copy", _file(folder, b"what was there"))
    assert await data_store.copy("x", "deep/copy")
    assert await data_store.copy("x", "deep/copy")  # again, as after a crash
    await data_store.take("x", _file(folder, b"second"))
    assert await _content(data_store, "deep/copy") == b"first"
    assert await data_store.delete("x")
    assert await _content(data_store, "deep/copy") == b"first"


async def test_objects_are_listed_below_a_folder_in_the_order_of_their_paths(
    data_store: DataStore, folder: Path
) -> None:
    paths = ["b", "a/b", "a-b", "a", "a/b/c", "a0", "ab", "é", "a/é", "a/z", "Z", "a b", "日本", "a/%2e", "x#?*&+~"]
    await _put(data_store, folder, *paths)
    assert await _listed(data_store) == sorted(paths)
    assert await _listed(data_store, "a/") == ["a/%2e", "a/b", "a/b/c", "a/z", "a/é"]
    assert await _listed(data_store, "a/b/") == ["a/b/c"]
    assert await _listed(data_store, "nothing/") == []
    assert [found.size for found in await data_store.list("a/b/", "", 5)] == [5]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_a_list_is_continued_behind_any_path(data_store: DataStore, folder: Path, limit: int) -> None:
    paths = ["a", "a-b", "a/b", "a/b/c", "a/c", "a0/x", "b"]
    await _put(data_store, folder, *paths)
    for prefix in ("", "a/"):
        pages = [await _listed(data_store, prefix, "", limit)]
        while pages[-1]:
            pages.append(await _listed(data_store, prefix, pages[-1][-1], limit))
        assert all(len(page) == limit for page in pages[:-2])
        assert list(chain(*pages)) == [path for path in paths if path.startswith(prefix)]
    assert await _listed(data_store, "", "a/a-path-that-is-not-there") == ["a/b", "a/b/c", "a/c", "a0/x", "b"]


async def test_a_folder_is_deleted_with_all_below_and_nothing_beside(data_store: DataStore, folder: Path) -> None:
    await _put(data_store, folder, "e/1/a", "e/1/b/c", "e/10/a", "e/1")
    await data_store.delete_folder("e/1/")
    assert await _listed(data_store) == ["e/1", "e/10/a"]
    assert await data_store.delete("e/10/a")


@pytest.mark.parametrize("path", HOSTILE_PATHS)
async def test_a_path_that_leads_out_is_refused(data_store: DataStore, folder: Path, path: str) -> None:
    with pytest.raises(InvalidInputError):
        await data_store.take(path, _file(folder, b"x"))
    with pytest.raises(InvalidInputError):
        await data_store.find(path)
    with pytest.raises(InvalidInputError):
        await data_store.start_upload(path)
    await _put(data_store, folder, "fine")
    with pytest.raises(InvalidInputError):
        await data_store.copy("fine", path)


async def _upload_part(data_store: DataStore, folder: Path, upload_id: str, number: int, content: bytes) -> str:
    """By the store's own signed URL where it has one."""
    access = Access("part", "big", len(content), upload_id, number)
    signed = await data_store.sign(access, 60)
    if signed is None:
        return await data_store.take_part("big", upload_id, number, _file(folder, content))
    async with httpx.AsyncClient() as http:
        answer = await http.put(signed.url, content=content)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


async def test_an_upload_in_parts_appears_at_its_end(data_store: DataStore, folder: Path) -> None:
    upload_id = await data_store.start_upload("big")
    assert await data_store.list_parts("big", upload_id) == []
    etags = [await _upload_part(data_store, folder, upload_id, number, b"0123") for number in (2, 1)]
    etags.append(await _upload_part(data_store, folder, upload_id, 3, b"45"))
    assert await data_store.find("big") is None
    parts = await data_store.list_parts("big", upload_id)
    assert parts == [Part(1, 4, etags[1]), Part(2, 4, etags[0]), Part(3, 2, etags[2])]
    await data_store.finish_upload("big", upload_id, parts)
    assert await _content(data_store, "big") == b"0123012345"
    found = await data_store.find("big")
    assert found is not None
    assert found.size == 10
    with pytest.raises(NotFoundError):
        await data_store.list_parts("big", upload_id)


async def test_a_part_that_is_sent_again_takes_the_place_of_the_first(data_store: DataStore, folder: Path) -> None:
    upload_id = await data_store.start_upload("big")
    first = await data_store.take_part("big", upload_id, 1, _file(folder, b"first"))
    second = await data_store.take_part("big", upload_id, 1, _file(folder, b"other"))
    assert first != second
    parts = await data_store.list_parts("big", upload_id)
    assert parts == [Part(1, 5, second)]
    await data_store.finish_upload("big", upload_id, parts)
    assert await _content(data_store, "big") == b"other"


async def test_old_uploads_are_swept_away(data_store: DataStore, folder: Path) -> None:
    upload_id = await data_store.start_upload("big")
    await data_store.take_part("big", upload_id, 1, _file(folder, b"x"))
    await data_store.sweep_uploads(clock.now() + timedelta(seconds=1))
    with pytest.raises(NotFoundError):
        await data_store.list_parts("big", upload_id)


async def test_signed_urls_of_a_store_open_what_they_are_for(data_store: DataStore, folder: Path) -> None:
    form = await data_store.sign(Access("write", "a b/é.bin", 100), 60)
    link = await data_store.sign(Access("read", "a b/é.bin"), 60)
    if form is None or link is None:
        assert form is link is None  # our own server signs: tests/api/test_signed_content.py
        return
    async with httpx.AsyncClient() as http:
        assert (await http.post(form.url, data=form.fields, files={"file": b"content"})).status_code == 204
        assert (await http.get(link.url)).content == b"content"
    assert await _content(data_store, "a b/é.bin") == b"content"


async def test_a_restart_finds_objects_and_uploads_and_nothing_half_done(tmp_path: Path, folder: Path) -> None:
    before = LocalDataStore(tmp_path / "store")
    await _put(before, folder, "a/b")
    upload_id = await before.start_upload("big")
    await before.take_part("big", upload_id, 1, _file(folder, b"x"))
    (tmp_path / "store" / "incoming" / "left").write_bytes(b"half")
    after = LocalDataStore(tmp_path / "store")
    assert await _content(after, "a/b") == b"a/b"
    assert [part.number for part in await after.list_parts("big", upload_id)] == [1]
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


async def test_a_local_store_leaves_no_empty_folders_behind(tmp_path: Path, folder: Path) -> None:
    data_store = LocalDataStore(tmp_path / "store")
    await _put(data_store, folder, "a/b/c/d", "a/x")
    assert await data_store.delete("a/b/c/d")
    assert [place.name for place in (tmp_path / "store" / "objects").rglob("*")] == ["a.d", "x.o"]
    assert await data_store.delete("a/x")
    assert list((tmp_path / "store" / "objects").iterdir()) == []


async def test_a_part_that_comes_after_the_end_changes_nothing(tmp_path: Path, folder: Path) -> None:
    data_store = LocalDataStore(tmp_path / "store")
    upload_id = await data_store.start_upload("big")
    await data_store.take_part("big", upload_id, 1, _file(folder, b"x"))
    await data_store.finish_upload("big", upload_id, await data_store.list_parts("big", upload_id))
    with pytest.raises(NotFoundError):
        await data_store.take_part("big", upload_id, 1, _file(folder, b"late"))
    assert await _content(data_store, "big") == b"x"
    assert list((tmp_path / "store" / "uploads").iterdir()) == []


def _end_and_be_killed(root: Path, deadly: str) -> str:
    """The id of the upload."""
    program = [sys.executable, "-c", KILLED_AT_THE_END.replace("{deadly}", deadly), root]
    killed = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    return killed.stdout.strip()


@pytest.mark.parametrize("deadly", ["DurableFiles.take", "PartFolders._remove"])
async def test_an_end_that_was_killed_can_be_repeated(tmp_path: Path, deadly: str) -> None:
    upload_id = _end_and_be_killed(tmp_path, deadly)
    data_store = LocalDataStore(tmp_path / "store")
    parts = await data_store.list_parts("big", upload_id)
    assert [part.size for part in parts] == [5, 5]
    await data_store.finish_upload("big", upload_id, parts)
    assert await _content(data_store, "big") == b"part1part2"
    assert [list((tmp_path / "store" / name).iterdir()) for name in ("uploads", "incoming")] == [[], []]


async def test_a_part_that_is_sent_twice_at_once_is_one_of_the_two(tmp_path: Path, folder: Path) -> None:
    data_store = LocalDataStore(tmp_path / "store")
    upload_id = await data_store.start_upload("big")
    for turn in range(100):
        files = [_file(folder, b"%d %d" % (turn, which)) for which in range(2)]
        etags = await asyncio.gather(*(data_store.take_part("big", upload_id, 1, file) for file in files))
        (part,) = await data_store.list_parts("big", upload_id)
        assert part.etag in etags
    await data_store.finish_upload("big", upload_id, [part])
    assert await _content(data_store, "big") == b"99 %d" % etags.index(part.etag)


async def test_an_end_says_which_part_was_sent_again_meanwhile_and_can_be_repeated(
    tmp_path: Path, folder: Path
) -> None:
    data_store = LocalDataStore(tmp_path / "store")
    upload_id = await data_store.start_upload("big")
    await data_store.take_part("big", upload_id, 1, _file(folder, b"first"))
    listed = await data_store.list_parts("big", upload_id)
    await data_store.take_part("big", upload_id, 1, _file(folder, b"other"))
    with pytest.raises(InvalidInputError, match="part 1 was sent again"):
        await data_store.finish_upload("big", upload_id, listed)
    await data_store.finish_upload("big", upload_id, await data_store.list_parts("big", upload_id))
    assert await _content(data_store, "big") == b"other"


async def test_an_upload_that_is_being_ended_is_not_swept_away(tmp_path: Path, folder: Path) -> None:
    data_store = LocalDataStore(tmp_path / "store")
    upload_id = await data_store.start_upload("big")
    await data_store.take_part("big", upload_id, 1, _file(folder, b"x"))
    place = tmp_path / "store" / "uploads" / upload_id
    place.rename(place.with_suffix(".joining"))
    await data_store.sweep_uploads(clock.now() + timedelta(seconds=1))
    assert len(await LocalDataStore(tmp_path / "store").list_parts("big", upload_id)) == 1
