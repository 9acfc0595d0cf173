"""Logs that can be followed: each line to whoever watches, once it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeyard.domain.log_lines import LogBatch, LogLine, LogRange, Subject
from pipeyard.ports import LogStore
from pipeyard.services.notices import Notices

LINES_AT_ONCE = 1000
HEARTBEAT_S = 15.0  # below what proxies and clients take for a dead connection


@dataclass(frozen=True)
class FollowedLogs:
    """A log store that gives notice of what it has stored; implements `ports.LogStore`."""

    logs: LogStore
    notices: Notices

    def append(self, batch: LogBatch) -> Awaitable[None]:
        """See `ports.LogStore`."""
        write = asyncio.ensure_future(self.logs.append(batch))
        write.add_done_callback(lambda _: self.notices.notify(_key(batch.subject, batch.subject_id)))
        return write

    async def read(self, subject: Subject, subject_id: str, span: LogRange) -> Sequence[LogLine]:
        """See `ports.LogStore`."""
        return await self.logs.read(subject, subject_id, span)

    async def read_after(
        self, subject: Subject, subject_id: str, number: int, limit: int
    ) -> Sequence[tuple[int, LogLine]]:
        """See `ports.LogStore`."""
        return await self.logs.read_after(subject, subject_id, number, limit)

    async def read_last(
        self, subject: Subject, subject_id: str, limit: int, pod_id: str | None = None
    ) -> Sequence[LogLine]:
        """See `ports.LogStore`."""
        return await self.logs.read_last(subject, subject_id, limit, pod_id)

    async def delete(self, subject: Subject, subject_ids: Iterable[str]) -> None:
        """See `ports.LogStore`."""
        await self.logs.delete(subject, subject_ids)

    async def trim(
        self, after: int, limit: int, is_kept: Callable[[Subject, str, datetime], bool]
    ) -> tuple[int, datetime] | None:
        """See `ports.LogStore`."""
        return await self.logs.trim(after, limit, is_kept)

    async def used_bytes(self) -> int:
        """See `ports.LogStore`."""
        return await self.logs.used_bytes()

    async def check(self) -> None:
        """See `ports.LogStore`."""
        await self.logs.check()

    async def close(self) -> None:
        """See `ports.LogStore`."""
        await self.logs.close()

    async def follow(
        self, subject: Subject, subject_id: str, is_over: Callable[[], Awaitable[bool]] | None
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Lines in the order of arrival, from the first; an empty batch is a heartbeat.

        Until `is_over`, which is asked again whenever the subject changes, and all are told. None: what there is now.
        """
        number = 0
        with self.notices.watching(_key(subject, subject_id), subject_id) as changed:
            while not self.notices.is_closed:
                changed.clear()
                # In this order: the lines of an execution are durable before its end is.
                over = is_over is None or await is_over()
                lines = await self.logs.read_after(subject, subject_id, number, LINES_AT_ONCE)
                if lines:
                    number = lines[-1][0]
                    yield [line for _, line in lines]
                elif over:
                    return
                elif not await _in_time(changed):
                    yield []


async def _in_time(changed: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await changed.wait()
    except TimeoutError:
        return False
    return True


def _key(subject: Subject, subject_id: str) -> str:
    return f"log of {subject.value} {subject_id}"
