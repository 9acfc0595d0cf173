"""Every data store keeps whole objects by path, and nothing outside of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeyard.data_store.local import LocalDataStore
from pipeyard.errors import InvalidInputError, NotFoundError
from pipeyard.ports import DataStore

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["local"])
def data_store(request: pytest.FixtureRequest, tmp_path: Path) -> DataStore:
    return LocalDataStore(tmp_path / "objects")


def _file(folder: Path, content: bytes) -> Path:
    place = folder / "a local file"
    place.write_bytes(content)
    return place


async def _content(data_store: DataStore, path: str) -> bytes:
    return b"".join([chunk async for chunk in data_store.read(path)])


@pytest.mark.parametrize("content", [b"", b"text", bytes(700_000)])
async def test_an_object_is_what_the_file_was_and_the_file_is_gone(
    data_store: DataStore, tmp_path: Path, content: bytes
) -> None:
    file = _file(tmp_path, content)
    assert await data_store.take("a/b c/é.bin", file) == len(content)
    assert not file.exists()
    assert await data_store.size("a/b c/é.bin") == len(content)
    assert await _content(data_store, "a/b c/é.bin") == content


async def test_an_object_is_replaced_whole(data_store: DataStore, tmp_path: Path) -> None:
    await data_store.take("x", _file(tmp_path, b"a longer first one"))
    await data_store.take("x", _file(tmp_path, b"second"))
    assert await _content(data_store, "x") == b"second"


async def test_what_does_not_exist_is_said_so(data_store: DataStore) -> None:
    assert await data_store.size("nothing") is None
    assert not await data_store.delete("nothing")
    await data_store.delete_folder("nothing/")
    with pytest.raises(NotFoundError):
        await _content(data_store, "nothing")


async def test_a_folder_is_no_object(data_store: DataStore, tmp_path: Path) -> None:
    await data_store.take("folder/x", _file(tmp_path, b"x"))
    assert await data_store.size("folder") is None
    with pytest.raises(NotFoundError):
        await _content(data_store, "folder")


async def test_a_folder_is_deleted_with_all_below_and_nothing_beside(data_store: DataStore, tmp_path: Path) -> None:
    for path in ("e/1/a", "e/1/b/c", "e/10/a"):
        await data_store.take(path, _file(tmp_path, b"x"))
    await data_store.delete_folder("e/1/")
    assert [await data_store.size(path) for path in ("e/1/a", "e/1/b/c", "e/10/a")] == [None, None, 1]
    assert await data_store.delete("e/10/a")


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\0b", "a" * 300])
async def test_a_path_that_leads_out_is_refused(data_store: DataStore, tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidInputError):
        await data_store.take(path, _file(tmp_path, b"x"))
    with pytest.raises(InvalidInputError):
        await data_store.size(path)
