"""The seam between the queries, which every database shares, and one database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection

from pipeyard.store.cipher import Cipher

T = TypeVar("T")
Record: TypeAlias = Any  # a row of a result, read by the names of its columns


class Database(Protocol):
    """Runs operations: functions of a connection that only use it."""

    def write(self, operation: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Queue a write now; done once it is durable. Writes take effect in the order of the calls.

        The operation may be run more than once: see `group_commit`.
        """
        ...

    async def check(self, write: Callable[[Connection], object]) -> None:
        """Raises DiskError while nothing can be committed; `write` is tried only if the last commit failed."""
        ...

    async def read(self, operation: Callable[[Connection], T]) -> T:
        """Run a read of what is committed."""
        ...

    async def used_bytes(self) -> int:
        """On the disk, without what is free to be used again."""
        ...

    async def close(self) -> None: ...


class Rows:
    """What the queries of every noun need."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
