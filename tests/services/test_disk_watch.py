"""What the disk of the data folder refuses is noticed, and so is that it takes writes again."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeyard.errors import DiskError
from pipeyard.services.disk_watch import DiskWatch

pytestmark = pytest.mark.anyio


class Writer:
    """A store that can be told to refuse."""

    def __init__(self) -> None:
        self.trouble: str | None = None

    async def check(self) -> None:
        if self.trouble is not None:
            raise DiskError(self.trouble)


async def test_what_a_store_cannot_commit_stops_what_is_new_until_it_can(tmp_path: Path) -> None:
    store, logs = Writer(), Writer()
    watch = DiskWatch(tmp_path, (store, logs), 0)
    for writer in (store, logs):
        writer.trouble = "the disk is gone"
        await watch.look()
        assert watch.trouble == "the disk is gone"
        with pytest.raises(DiskError, match="the disk is gone"):
            watch.check()
        writer.trouble = None
        await watch.look()
        watch.check()


async def test_less_room_than_the_reserve_stops_what_is_new(tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path, (), 2**62)
    await watch.look()
    with pytest.raises(DiskError, match=rf"is full: \d+ bytes are free, and {2**62} are kept .*free some room"):
        watch.check()


async def test_a_disk_that_became_read_only_is_seen_before_anything_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SimpleNamespace(f_bavail=10**9, f_frsize=4096, f_flag=os.ST_RDONLY)
    monkeypatch.setattr(os, "statvfs", lambda folder: state)
    watch = DiskWatch(tmp_path, (), 0)
    await watch.look()
    with pytest.raises(DiskError, match="is read-only: make it writable again"):
        watch.check()
    state.f_flag = 0
    await watch.look()
    watch.check()


async def test_a_data_folder_that_cannot_be_seen_is_a_trouble(tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path / "gone", (), 0)
    await watch.look()
    assert "No such file" in (watch.trouble or "")
