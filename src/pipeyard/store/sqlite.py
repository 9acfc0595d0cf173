"""The store in one SQLite file: all that is particular to SQLite."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from pipeyard.errors import StoreError
from pipeyard.group_commit import GroupCommit
from pipeyard.store.cipher import Cipher
from pipeyard.store.migrations import upgrade
from pipeyard.store.sql import SqlStore, check_key, renew_secrets

logger = logging.getLogger(__name__)

READERS = 4
BUSY_TIMEOUT_S = 30.0  # another process may write: a copy being made, a second server
CHECKPOINT_S = 1.0
WAL_MAX_BYTES = 64 * 1024**2
PAGE_BYTES = 4096
USED_BYTES = (
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)

T = TypeVar("T")


class SqliteStore(SqlStore):
    """The store of one machine."""

    @classmethod
    def open(
        cls, path: Path, encryption_key: bytes, committed: Callable[[int, float], None] = lambda writes, took_s: None
    ) -> SqliteStore:
        """Open the database, made or brought up to date if need be. Raises StoreError."""
        cipher = Cipher(encryption_key)
        database = SqliteDatabase.open(path, lambda connection: check_key(connection, cipher), committed)
        return cls(database, cipher)


def change_unused(path: Path, change: Callable[[Connection], T]) -> T:
    """One change of a database that no server uses, brought up to date before. Raises StoreError; nothing is done then.

    Nothing is left of what it replaces or deletes: those bytes are overwritten.
    """
    with _opening(path), _writing_engine(path).begin() as connection:
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
        upgrade(connection)
        return change(connection)


def replace_key(path: Path, keys: bytes) -> int:
    """As `change_unused`: encrypt every secret with the first of the keys. How many there are."""
    cipher = Cipher(keys)
    return change_unused(path, lambda connection: renew_secrets(connection, cipher))


class SqliteDatabase:
    """One writing connection in a thread of its own, a few reading ones in a pool.

    The readers also carry the write-ahead log into the file, a moment after a write: no commit waits for that.
    """

    def __init__(self, writing: Engine, reading: Engine, committed: Callable[[int, float], None]) -> None:
        self._reading = reading
        self._writing = writing
        self._writer = GroupCommit(writing.connect, Connection.begin, "store-writer", committed)
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._checkpoint: asyncio.TimerHandle | None = None

    @classmethod
    def open(
        cls, path: Path, check: Callable[[Connection], None], committed: Callable[[int, float], None]
    ) -> SqliteDatabase:
        """`check` looks at the database before anything is served. Raises StoreError."""
        writing, reading = _writing_engine(path), _reading_engine(path)
        with _opening(path), _in_turn(path.parent):
            path.touch(mode=0o600)  # the files beside it take its mode
            with writing.begin() as connection:
                upgrade(connection)
                check(connection)
            with reading.connect() as connection:
                # Attached to the write-ahead log from now on. Were the writer ever alone, its end after a failed sync
                # would leave the log to be read anew, with what was refused in it.
                connection.exec_driver_sql("SELECT count(*) FROM servers").scalar()
            return cls(writing, reading, committed)

    def write(self, operation: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Queue a write now; done once it is durable."""
        if self._checkpoint is None:
            self._checkpoint = asyncio.get_running_loop().call_later(CHECKPOINT_S, self._start_checkpoint)
        return self._writer.submit(operation)

    async def check(self, write: Callable[[Connection], object]) -> None:
        """As `GroupCommit.check`."""
        await self._writer.check(write)

    async def read(self, operation: Callable[[Connection], T]) -> T:
        """Run a read in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, operation)

    async def used_bytes(self) -> int:
        """Of the pages that are in use."""
        return await self.read(lambda connection: connection.exec_driver_sql(USED_BYTES).scalar_one())

    async def close(self) -> None:
        """Commit what is queued, finish what is being read. Idempotent."""
        if self._checkpoint is not None:
            self._checkpoint.cancel()
        await asyncio.to_thread(self._readers.shutdown)
        self._reading.dispose()
        # The writer last: the last connection folds the write-ahead log into the file.
        await self._writer.close()
        self._writing.dispose()

    def _start_checkpoint(self) -> None:
        self._checkpoint = None
        self._readers.submit(self._carry_over)

    def _carry_over(self) -> None:
        try:
            self._read(_checkpoint)
        except DBAPIError:
            logger.warning("the write-ahead log could not be carried over; the next write tries again", exc_info=True)

    def _read(self, operation: Callable[[Connection], T]) -> T:
        with self._reading.connect() as connection:
            return operation(connection)


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise StoreError(f"the database {path} cannot be opened: {getattr(error, 'orig', error)}") from error
    except StoreError as error:
        raise StoreError(f"the database {path} cannot be opened: {error.message}") from None


@contextmanager
def _in_turn(folder: Path) -> Iterator[None]:
    """SQLite lets nobody wait who begins a write-ahead log: two that did at once would find it locked.

    The folder is locked, not the file: closing a file takes all locks of SQLite on it away from this process.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _writing_engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = _connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk, through a loss of power
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_MAX_BYTES}")  # what it keeps when it is reused
        # The readers are to do it. A commit does it where they cannot keep up, or the log would grow without end.
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_MAX_BYTES // PAGE_BYTES}")
        return connection

    engine = create_engine(
        "sqlite://",
        creator=connect,
        hide_parameters=True,  # errors are logged, and what users send is not
        paramstyle="named",  # for `Prepared`
        poolclass=NullPool,  # a connection that is closed is closed: after a failed sync it must not come back
    )
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _begin_immediate(connection: Connection) -> None:
    # The right to write is taken first: a transaction that reads and then writes could otherwise fail midway.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _reading_engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = _connect(path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    # Each read is one statement, so it needs no transaction around it.
    return create_engine(
        "sqlite://",
        creator=connect,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=READERS,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
    )


def _checkpoint(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")  # waits for nobody, and nobody for it


def _connect(path: Path) -> sqlite3.Connection:
    # isolation_level None: Python begins no transactions of its own.
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
