"""Log lines in one SQLite file of their own."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeyard.clock import from_epoch_ms, to_epoch_ms
from pipeyard.domain.log_lines import LogBatch, LogLine, LogRange, Subject
from pipeyard.domain.names import storable_text
from pipeyard.errors import StoreError
from pipeyard.group_commit import GroupCommit

READERS = 2
BUSY_TIMEOUT_S = 30.0
_FIRST_MS, _LAST_MS = -(2**63), 2**63 - 1
_WITHOUT_LIMIT = -1

# Step n brings a file of version n to n + 1. Never change one that was released: add the next.
STEPS = (
    """
    CREATE TABLE lines (
        sequence INTEGER PRIMARY KEY,  -- the order of arrival
        subject TEXT NOT NULL,
        subject_id TEXT NOT NULL,
        at INTEGER NOT NULL,  -- milliseconds since 1970
        stream TEXT NOT NULL,
        pod_id TEXT,
        message TEXT NOT NULL
    );
    CREATE INDEX lines_of_subject ON lines (subject_id, subject, at, sequence);
    CREATE TABLE pod_events (
        pod_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        subject TEXT NOT NULL,
        subject_id TEXT NOT NULL,
        PRIMARY KEY (pod_id, number)
    ) WITHOUT ROWID;
    CREATE INDEX pod_events_of_subject ON pod_events (subject_id, subject);
    """,
    "ALTER TABLE lines ADD COLUMN attempt INTEGER",  # of an execution; null: the first
)

_ADD_EVENT = "INSERT INTO pod_events (pod_id, number, subject, subject_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_HAS_EVENT = "SELECT 1 FROM pod_events WHERE pod_id = ? AND number = ?"
_ADD_LINE = "INSERT INTO lines (subject, subject_id, at, stream, pod_id, message, attempt) VALUES (?, ?, ?, ?, ?, ?, ?)"
_READ = """
    SELECT at, message, stream, pod_id FROM lines
    WHERE subject_id = ? AND subject = ? AND at >= ? AND at < ? AND (? = 0 OR coalesce(attempt, 1) = ?)
    ORDER BY at, sequence LIMIT ?
"""
# The inner query is answered by the index alone: of a log of millions of lines the messages of one page are read.
_READ_AFTER = """
    SELECT sequence, at, message, stream, pod_id FROM lines WHERE sequence IN (
        SELECT sequence FROM lines WHERE subject_id = ? AND subject = ? AND sequence > ? ORDER BY sequence LIMIT ?
    ) ORDER BY sequence
"""
_READ_LAST = """
    SELECT at, message, stream, pod_id FROM (
        SELECT at, message, stream, pod_id, sequence FROM lines
        WHERE subject_id = ? AND subject = ? ORDER BY at DESC, sequence DESC LIMIT 1000
    ) WHERE (? IS NULL OR pod_id = ?) ORDER BY at DESC, sequence DESC LIMIT ?
"""
_DELETE_LINES = "DELETE FROM lines WHERE subject_id = ? AND subject = ?"
_DELETE_EVENTS = "DELETE FROM pod_events WHERE subject_id = ? AND subject = ?"
_LOOK = "SELECT sequence, subject, subject_id, at, pod_id FROM lines WHERE sequence > ? ORDER BY sequence LIMIT ?"
_DELETE_LINE = "DELETE FROM lines WHERE sequence = ?"
# What was recorded of a pod's events goes with the last line that came of them.
_DELETE_EVENTS_WITHOUT_LINES = """
    DELETE FROM pod_events WHERE subject = :subject AND subject_id = :subject_id AND pod_id = :pod_id AND NOT EXISTS (
        SELECT 1 FROM lines WHERE subject = :subject AND subject_id = :subject_id AND pod_id = :pod_id
    )
"""
_USED_BYTES = (
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)


class SqliteLogStore:
    """Implements `ports.LogStore`."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        reading: Sequence[sqlite3.Connection],
        committed: Callable[[int, float], None],
    ) -> None:
        self._writer = GroupCommit(connect, _begin, "log-writer", committed)
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for connection in reading:
            self._idle.put(connection)
        self._readers = ThreadPoolExecutor(len(reading), "log-reader")

    @classmethod
    def open(cls, path: Path, committed: Callable[[int, float], None] = lambda writes, took_s: None) -> SqliteLogStore:
        """Open the file, made or brought up to date if need be. Raises StoreError."""
        reading: list[sqlite3.Connection] = []
        try:
            path.touch(mode=0o600)  # the files beside it take its mode
            with closing(_connect_writing(path)) as connection:
                _prepare(connection)
            for _ in range(READERS):
                reading.append(_connect(path))
                # Attached to the write-ahead log from now on. Were the writer ever alone, its end after a failed sync
                # would leave the log to be read anew, with what was refused in it.
                reading[-1].execute("SELECT count(*) FROM lines WHERE sequence < 0").fetchone()
            return cls(lambda: _connect_writing(path), reading, committed)
        except (sqlite3.Error, OSError, StoreError) as error:
            for connection in reading:
                connection.close()
            raise StoreError(f"the log file {path} cannot be opened: {error}") from error

    def append(self, batch: LogBatch) -> asyncio.Future[None]:
        """See `ports.LogStore.append`."""
        subject, subject_id = batch.subject.value, batch.subject_id
        attempt = None if batch.attempt == 1 else batch.attempt
        rows = [
            (subject, subject_id, to_epoch_ms(line.at), line.stream, line.pod_id, storable_text(line.message), attempt)
            for line in batch.lines
        ]
        event = None if batch.pod_event is None else (*batch.pod_event, subject, subject_id)
        before = None if batch.pod_event is None or batch.after is None else (batch.pod_event[0], batch.after)

        def add(connection: sqlite3.Connection) -> None:
            if before is not None and connection.execute(_HAS_EVENT, before).fetchone() is None:
                raise StoreError("the lines before these could not be stored")
            if event is None or connection.execute(_ADD_EVENT, event).rowcount == 1:
                connection.executemany(_ADD_LINE, rows)

        return self._writer.submit(add)

    async def read(self, subject: Subject, subject_id: str, span: LogRange) -> Sequence[LogLine]:
        """`from_at <= at < to_at`, ascending, the first `limit`."""
        given = (
            subject_id,
            subject.value,
            _FIRST_MS if span.from_at is None else to_epoch_ms(span.from_at),
            _LAST_MS if span.to_at is None else to_epoch_ms(span.to_at),
            *(span.attempt or 0, span.attempt or 0),
            _WITHOUT_LIMIT if span.limit is None else max(span.limit, 0),
        )
        rows = await self._read(_READ, given)
        return [LogLine(from_epoch_ms(at), message, stream, pod_id) for at, message, stream, pod_id in rows]

    async def read_after(
        self, subject: Subject, subject_id: str, number: int, limit: int
    ) -> Sequence[tuple[int, LogLine]]:
        """In the order of arrival, each with its number."""
        rows = await self._read(_READ_AFTER, (subject_id, subject.value, number, limit))
        return [
            (sequence, LogLine(from_epoch_ms(at), message, stream, pod_id))
            for sequence, at, message, stream, pod_id in rows
        ]

    async def read_last(
        self, subject: Subject, subject_id: str, limit: int, pod_id: str | None = None
    ) -> Sequence[LogLine]:
        """See `ports.LogStore.read_last`."""
        rows = await self._read(_READ_LAST, (subject_id, subject.value, pod_id, pod_id, limit))
        return [LogLine(from_epoch_ms(at), message, stream, pod_id) for at, message, stream, pod_id in reversed(rows)]

    async def delete(self, subject: Subject, subject_ids: Iterable[str]) -> None:
        """Forget all lines of these."""
        rows = [(subject_id, subject.value) for subject_id in subject_ids]

        def remove(connection: sqlite3.Connection) -> None:
            connection.executemany(_DELETE_LINES, rows)
            connection.executemany(_DELETE_EVENTS, rows)

        await self._writer.submit(remove)

    async def trim(
        self, after: int, limit: int, is_kept: Callable[[Subject, str, datetime], bool]
    ) -> tuple[int, datetime] | None:
        """See `ports.LogStore.trim`."""
        rows = await self._read(_LOOK, (after, limit))
        if not rows:
            return None
        doomed = [row for row in rows if not is_kept(Subject(row[1]), row[2], from_epoch_ms(row[3]))]
        if doomed:
            pods = {(subject, subject_id, pod_id) for _, subject, subject_id, _, pod_id in doomed if pod_id}
            keys = [dict(zip(("subject", "subject_id", "pod_id"), pod, strict=True)) for pod in pods]

            def remove(connection: sqlite3.Connection) -> None:
                connection.executemany(_DELETE_LINE, [row[:1] for row in doomed])
                connection.executemany(_DELETE_EVENTS_WITHOUT_LINES, keys)

            await self._writer.submit(remove)
        return rows[-1][0], from_epoch_ms(rows[-1][3])

    async def used_bytes(self) -> int:
        """Of the pages that are in use."""
        ((size,),) = await self._read(_USED_BYTES, ())
        return int(size)

    async def check(self) -> None:
        """Raises DiskError while nothing can be committed."""
        await self._writer.check(_try)

    async def close(self) -> None:
        """Commit what is queued, finish what is being read. Idempotent."""
        await asyncio.to_thread(self._readers.shutdown)
        while not self._idle.empty():
            self._idle.get().close()
        # The writer last: the last connection folds the write-ahead log into the file.
        await self._writer.close()

    async def _read(self, query: str, given: tuple[object, ...]) -> list[tuple[Any, ...]]:
        def fetch() -> list[tuple[Any, ...]]:
            connection = self._idle.get()  # there are as many as threads
            try:
                return connection.execute(query, given).fetchall()
            finally:
                self._idle.put(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, fetch)


def _connect(path: Path) -> sqlite3.Connection:
    # isolation_level None: Python begins no transactions of its own.
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _connect_writing(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk, through a loss of power
    connection.execute("PRAGMA journal_size_limit = 67108864")  # bytes the write-ahead log keeps when reused
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _try(connection: sqlite3.Connection) -> None:
    # Changes nothing, and is written all the same.
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")


def _prepare(connection: sqlite3.Connection) -> None:
    _begin(connection)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(STEPS):
        raise StoreError(
            f"it was written by a newer version of Pipeyard (format {version}, this version knows {len(STEPS)}): "
            "install that version, or move the file away to start without old logs"
        )
    for step in STEPS[version:]:
        for statement in step.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")
    connection.commit()
