"""Output files on their way from a pod to the data store."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from pipeyard.domain.executions import output_path
from pipeyard.ports import DataStore


class OutputFiles:
    """Chunks are written where they belong in a local file; the whole file goes to the data store at the end.

    A chunk that has been written may be acknowledged: a restarted server finds it and goes on behind it.
    """

    def __init__(self, folder: Path, files: DataStore) -> None:
        self._folder = folder
        self._files = files
        folder.mkdir(parents=True, exist_ok=True)

    async def write(self, execution_id: str, name: str, offset: int, chunk: bytes) -> None:
        """Idempotent."""
        await asyncio.to_thread(_write_at, self._folder / execution_id / name, offset, chunk)

    async def complete(self, execution_id: str, name: str) -> None:
        """The file is whole. Idempotent: after a restart it may be in the data store already."""
        place = self._folder / execution_id / name
        if await asyncio.to_thread(place.exists):
            await self._files.take(output_path(execution_id, name), place)

    def forget(self, execution_id: str) -> None:
        """What is left of an execution that has ended. Idempotent."""
        shutil.rmtree(self._folder / execution_id, ignore_errors=True)

    def forget_others(self, execution_ids: set[str]) -> None:
        """What is left of executions that are not among these."""
        for folder in self._folder.iterdir():
            if folder.name not in execution_ids:
                self.forget(folder.name)


def _write_at(place: Path, offset: int, chunk: bytes) -> None:
    place.parent.mkdir(exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        written = 0
        while written < len(chunk):
            written += os.pwrite(descriptor, chunk[written:], offset + written)
    finally:
        os.close(descriptor)
