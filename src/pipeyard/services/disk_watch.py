"""Watches the disk of the data folder: when it refuses, nothing is accepted any more, until it takes writes again."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Protocol

from pipeyard.disk_troubles import describe_room, describe_trouble
from pipeyard.errors import DiskError

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LEAST_BYTES = 1_000_000  # below it a trial may still find room where the next write finds none


class Writes(Protocol):
    """What commits to the data folder: the store and the log store."""

    async def check(self) -> None:
        """Raises DiskError while nothing can be committed."""
        ...


class DiskWatch:
    """Looks once a second; whoever is about to accept something asks the last look.

    It stops what is new while `reserve_bytes` are still free, so that what runs can end and be recorded.
    """

    def __init__(self, folder: Path, writers: tuple[Writes, ...], reserve_bytes: int) -> None:
        self._folder = folder
        self._writers = writers
        self._reserve_bytes = max(reserve_bytes, LEAST_BYTES)
        self.trouble: str | None = None

    def check(self) -> None:
        """Raises DiskError when nothing new can be accepted."""
        if self.trouble is not None:
            raise DiskError(self.trouble)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Find out how it is now."""
        trouble = await self._find_trouble()
        if trouble is not None and self.trouble is None:
            logger.error("nothing is accepted any more: %s", trouble)
        elif trouble is None and self.trouble is not None:
            logger.warning("the disk of the data folder takes writes again")
        self.trouble = trouble

    async def _find_trouble(self) -> str | None:
        try:
            state = await asyncio.to_thread(os.statvfs, self._folder)
        except OSError as error:
            return describe_trouble(error) or f"the data folder cannot be seen: {error.strerror}"
        free_bytes = state.f_bavail * state.f_frsize
        is_read_only = bool(state.f_flag & os.ST_RDONLY)
        trouble = describe_room(free_bytes, self._reserve_bytes, is_read_only=is_read_only)
        if trouble is not None:
            return trouble
        try:
            for writer in self._writers:
                await writer.check()
        except DiskError as error:
            return error.trouble
        return None
