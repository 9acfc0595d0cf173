"""Forgets what is older or more than the operator wants to keep. Off by default; never anything that is still open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeyard import clock
from pipeyard.domain.executions import EXECUTION_FILES, execution_of_file, values_prefix
from pipeyard.domain.log_lines import Subject
from pipeyard.ports import DataStore, LogStore
from pipeyard.services.executions import ExecutionService
from pipeyard.settings import Settings
from pipeyard.store_ports import Store

BATCH = 100  # executions deleted at once
LINES_BATCH = 5000
FILES_BATCH = 1000
PAUSE_S = 0.05  # between two batches: callers come first
LATEST_LINE = timedelta(days=1)  # so long a pod keeps what the server has not taken: lines arrive that late


@dataclass(frozen=True)
class Keeping:
    """How long and how much. 0: without a limit."""

    days: int = 0
    most_bytes: int = 0

    def cutoff(self) -> datetime | None:
        """What is older goes."""
        return clock.now() - timedelta(days=self.days) if self.days else None


@dataclass(frozen=True)
class Retention:
    """The oldest goes first. Objects of the data store, pipelines and their build logs are never touched."""

    store: Store
    logs: LogStore
    files: DataStore
    executions: ExecutionService
    settings: Settings
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def sweep_executions(self) -> None:
        """Rows that have ended, with their files, logs and metrics."""
        keeping = Keeping(self.settings.executions_keep_days, self.settings.executions_keep_bytes)
        cutoff = keeping.cutoff()
        while cutoff is not None and (ids := await self.store.list_ended(cutoff, None, BATCH)):
            await self._delete(ids)
        while keeping.most_bytes and await self.store.used_bytes() > keeping.most_bytes:
            ids = await self.store.list_ended(None, None, BATCH)
            if not ids:
                return
            await self._delete(ids)

    async def _delete(self, execution_ids: Sequence[str]) -> None:
        await self.executions.forget(execution_ids)
        await self.pause(PAUSE_S)

    async def sweep_logs(self) -> None:
        """Lines of executions that have ended, and of the pods of deployments."""
        keeping = Keeping(self.settings.logs_keep_days, self.settings.logs_keep_bytes)
        if (cutoff := keeping.cutoff()) is not None:
            await self._trim(cutoff)
        if keeping.most_bytes and await self.logs.used_bytes() > keeping.most_bytes:
            await self._trim(None, keeping.most_bytes)

    async def _trim(self, cutoff: datetime | None, most_bytes: int = 0) -> None:
        open_ids = await self._open_ids()

        def is_kept(subject: Subject, subject_id: str, at: datetime) -> bool:
            return subject is Subject.PIPELINE or subject_id in open_ids or (cutoff is not None and at >= cutoff)

        number = 0
        while (trimmed := await self.logs.trim(number, LINES_BATCH, is_kept)) is not None:
            number, latest_at = trimmed
            if cutoff is not None and latest_at >= cutoff + LATEST_LINE:
                return
            if most_bytes and await self.logs.used_bytes() <= most_bytes:
                return
            await self.pause(PAUSE_S)

    async def sweep_files(self) -> None:
        """File inputs and outputs of executions that have ended."""
        keeping = Keeping(self.settings.files_keep_days, self.settings.files_keep_bytes)
        if not (keeping.days or keeping.most_bytes):
            return
        kept_bytes = await self._sweep_old_files(keeping.cutoff())
        last = None
        while keeping.most_bytes and kept_bytes > keeping.most_bytes:
            ids = await self.store.list_ended(None, last, BATCH)
            if not ids:
                return
            last = ids[-1]
            for execution_id in ids:
                if kept_bytes > keeping.most_bytes:
                    kept_bytes -= await self._delete_files(execution_id)
            await self.pause(PAUSE_S)

    async def _sweep_old_files(self, cutoff: datetime | None) -> int:
        """How many bytes stay."""
        open_ids, after, kept_bytes = await self._open_ids(), "", 0
        while page := await self.files.list(EXECUTION_FILES, after, FILES_BATCH):
            after = page[-1].path
            for found in page:
                is_old = cutoff is not None and found.modified_at < cutoff
                if is_old and execution_of_file(found.path) not in open_ids:
                    await self.files.delete(found.path)
                else:
                    kept_bytes += found.size
            await self.pause(PAUSE_S)
        return kept_bytes

    async def _delete_files(self, execution_id: str) -> int:
        """How many bytes they were."""
        found = await self.files.list(values_prefix(execution_id), "", FILES_BATCH)
        if found:
            await self.files.delete_folder(values_prefix(execution_id))
        return sum(one.size for one in found)

    async def _open_ids(self) -> set[str]:
        return {execution.id for execution in await self.store.list_open_executions()}
