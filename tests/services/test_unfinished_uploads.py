"""Uploads in parts that were begun and not ended: kept for a day, then dropped; and whose they are."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeyard import clock
from pipeyard.data_store.local import LocalDataStore
from pipeyard.errors import InvalidInputError, NotFoundError
from pipeyard.services.data_store import DataStoreService
from pipeyard.services.signed_urls import SignedUrls
from pipeyard.services.upload_ledger import UploadLedger

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


@pytest.fixture
def service(tmp_path: Path) -> DataStoreService:
    files = LocalDataStore(tmp_path / "store")
    return DataStoreService(files, SignedUrls.derived("key", 60), UploadLedger(tmp_path / "ledger"), 1000)


def _part(upload_id: str, path: str = "a") -> dict[str, Any]:
    upload = {"upload_id": upload_id}
    return {"path_to_object": path, "multipart_upload_configuration": upload, "part_number": 1, "chunk_size": 4}


def _age(folder: Path, by: timedelta) -> None:
    for place in [*folder.iterdir()]:
        at = (clock.now() - by).timestamp()
        os.utime(place, (at, at))


async def test_an_upload_of_yesterday_is_dropped_and_one_of_today_is_not(
    service: DataStoreService, tmp_path: Path
) -> None:
    folders = [tmp_path / "ledger", tmp_path / "store" / "uploads"]
    old = await service.start_upload("e", "a")
    for folder in folders:
        _age(folder, DAY + timedelta(minutes=1))
    new = await service.start_upload("e", "a")
    await service.sweep(clock.now() - DAY)
    assert [len(list(folder.iterdir())) for folder in folders] == [1, 1]
    assert await service.sign_part("e", _part(new), "http://x")
    with pytest.raises(NotFoundError):
        await service.sign_part("e", _part(old), "http://x")


@pytest.mark.parametrize("content", [b"", b'{"key": "obj', b"\0" * 40, b"[]", b"\xff", b"{}"])
async def test_an_upload_of_which_a_power_loss_left_nothing_readable_is_none(
    service: DataStoreService, tmp_path: Path, content: bytes
) -> None:
    upload_id = await service.start_upload("e", "a")
    (tmp_path / "ledger" / f"{upload_id}.json").write_bytes(content)
    with pytest.raises(NotFoundError, match="it has ended, or expired"):
        await service.sign_part("e", _part(upload_id), "http://x")


async def test_what_is_known_of_an_upload_is_on_the_disk_before_its_caller_is_answered(
    service: DataStoreService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    flush = os.fsync

    def noting(descriptor: int) -> None:
        flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    upload_id = await service.start_upload("e", "a")
    for _ in range(2):
        assert flushed[-2:] == [f".{upload_id}.json.part", "ledger"]
        flushed.clear()
        await service.sign_part("e", _part(upload_id), "http://x")


async def test_parts_that_are_announced_at_once_are_all_known(service: DataStoreService) -> None:
    upload_id = await service.start_upload("e", "a")
    sized = _part(upload_id) | {"part_number": 3, "size": 10}
    plain = [_part(upload_id) | {"part_number": number} for number in (1, 2)]
    await asyncio.gather(*(service.sign_part("e", fields, "http://x") for fields in (plain[0], sized, plain[1])))
    with pytest.raises(InvalidInputError, match="beyond the end"):
        await service.sign_part("e", _part(upload_id) | {"part_number": 4}, "http://x")


async def test_an_upload_is_that_of_its_environment_and_its_object(service: DataStoreService) -> None:
    upload_id = await service.start_upload("e", "a")
    for environment_id, path in (("other", "a"), ("e", "b")):
        with pytest.raises(NotFoundError):
            await service.sign_part(environment_id, _part(upload_id, path), "http://x")


async def test_environments_do_not_see_each_others_objects(service: DataStoreService, tmp_path: Path) -> None:
    for environment_id in ("e", "e2"):
        place = tmp_path / "file"
        place.write_bytes(environment_id.encode())
        url = (await service.sign_upload(environment_id, "same/path", "http://x")).url
        await service.store(service.urls.read(url.partition("token=")[2], "write"), place)
    for environment_id in ("e", "e2"):
        found, _ = await service.list(environment_id, None, None, 10)
        assert [(one.path, one.size) for one in found] == [("same/path", len(environment_id))]
    await service.delete("e", "same/path")
    with pytest.raises(NotFoundError):
        await service.find("e", "same/path")
    assert (await service.find("e2", "same/path")).size == 2
