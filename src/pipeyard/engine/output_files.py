"""Output files on their way from a pod to the data store."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeyard.domain.executions import output_path
from pipeyard.domain.mappings import Destination
from pipeyard.domain.objects import object_key
from pipeyard.errors import SyncError
from pipeyard.ports import DataStore
from pipeyard.store_ports import ExecutionStore


class OutputFiles:
    """Chunks are written where they belong in a local file; the whole file goes to the data store at the end.

    A chunk that has been written may be acknowledged: a restarted server finds it and goes on behind it.
    """

    def __init__(self, folder: Path, files: DataStore, store: ExecutionStore) -> None:
        self._folder = folder
        self._files = files
        self._store = store
        folder.mkdir(parents=True, exist_ok=True)

    async def write(self, execution_id: str, name: str, offset: int, chunk: bytes) -> None:
        """Idempotent. Raises SyncError when the chunks before are gone."""
        if await asyncio.to_thread(_write_at, self._folder / execution_id / name, offset, chunk):
            return
        # An earlier server may have come to the end of the file, and not have said so to the pod.
        if await self._files.find(output_path(execution_id, name)) is None:
            raise SyncError("the beginning of the file is gone")

    async def complete(self, execution_id: str, name: str) -> None:
        """The file is whole. Idempotent: after a restart it may be in the data store already. Raises SyncError."""
        place = self._folder / execution_id / name
        if await asyncio.to_thread(place.exists):
            await self._files.take(output_path(execution_id, name), place)

    async def publish(self, execution_id: str, names: Sequence[str]) -> None:
        """Put the outputs of that name that are mapped to the data store there. Idempotent; before the end's commit."""
        execution = await self._store.get_execution(execution_id)
        if execution is None or execution.status.is_final:
            return
        for mapping in execution.outputs_mapping:
            if mapping.destination is Destination.DATASTORE and mapping.output_name in names:
                target = object_key(execution.environment_id, execution.destination_of(mapping))
                await self._files.copy(output_path(execution_id, mapping.output_name), target)

    def forget(self, execution_id: str) -> None:
        """What is left of an execution that has ended. Idempotent."""
        shutil.rmtree(self._folder / execution_id, ignore_errors=True)

    def forget_others(self, execution_ids: set[str]) -> None:
        """What is left of executions that are not among these."""
        for folder in self._folder.iterdir():
            if folder.name not in execution_ids:
                self.forget(folder.name)


def _write_at(place: Path, offset: int, chunk: bytes) -> bool:
    """False when the file does not reach up to there."""
    place.parent.mkdir(exist_ok=True)
    try:
        descriptor = os.open(place, os.O_WRONLY | (0 if offset else os.O_CREAT), 0o600)
    except FileNotFoundError:
        return False
    try:
        if os.fstat(descriptor).st_size < offset:
            return False
        written = 0
        while written < len(chunk):
            written += os.pwrite(descriptor, chunk[written:], offset + written)
    finally:
        os.close(descriptor)
    return True
