"""One writer thread with group commit."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pipeyard.errors import DiskError, StoreError
from pipeyard.group_commit import GroupCommit

pytestmark = pytest.mark.anyio


class Journal:
    """A writer's connection that writes down what the writer does with it, and can be made to wait or to fail."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: list[str] = []
        self.commit_error: Exception | None = None
        self.connect_error: Exception | None = None

    def connect(self) -> Journal:
        """As the writer does at the start, and after what it had is broken."""
        if self.connect_error is not None:
            raise self.connect_error
        self.steps.append("connect")
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.connection.execute("CREATE TABLE IF NOT EXISTS words (word TEXT UNIQUE)")
        return self

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        return self.connection.execute(*statement)

    def begin(self) -> None:
        self.steps.append("begin")
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        if self.commit_error is not None:
            raise self.commit_error
        self.steps.append("commit")
        self.connection.commit()

    def rollback(self) -> None:
        self.steps.append("rollback")
        self.connection.rollback()

    def close(self) -> None:
        self.steps.append("close")
        self.connection.close()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "words.sqlite")


@pytest.fixture
async def writer(journal: Journal) -> AsyncIterator[GroupCommit[Journal]]:
    opened = GroupCommit(journal.connect, Journal.begin, "test-writer")
    yield opened
    await opened.close()


def add(word: str) -> Callable[[Any], str]:
    def operation(connection: Any) -> str:
        connection.execute("INSERT INTO words VALUES (?)", (word,))
        return word

    return operation


def hold(writer: GroupCommit[Journal]) -> tuple[asyncio.Future[bool], threading.Event]:
    """Keep the writer busy, so that what is submitted meanwhile becomes one group."""
    holding, release = threading.Event(), threading.Event()

    def wait(connection: Journal) -> bool:
        holding.set()
        return release.wait(10)

    future = writer.submit(wait)
    holding.wait(10)
    return future, release


def words(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY rowid")]
    finally:
        connection.close()


async def test_an_operation_is_committed_when_its_future_is_done(writer: GroupCommit[Journal], tmp_path: Path) -> None:
    assert await writer.submit(add("a")) == "a"
    assert words(tmp_path / "words.sqlite") == ["a"]


async def test_what_is_queued_meanwhile_shares_one_commit(writer: GroupCommit[Journal], journal: Journal) -> None:
    _, release = hold(writer)
    futures = [writer.submit(add(str(n))) for n in range(100)]
    release.set()
    assert await asyncio.gather(*futures) == [str(n) for n in range(100)]
    assert journal.steps == ["connect", *["begin", "commit"] * 2]


async def test_operations_run_in_the_order_of_the_calls_whether_awaited_or_not(
    writer: GroupCommit[Journal], tmp_path: Path
) -> None:
    for n in range(50):
        writer.submit(add(str(n)))
    await writer.submit(add("last"))
    assert words(tmp_path / "words.sqlite") == [*map(str, range(50)), "last"]


@pytest.mark.parametrize("guilty", [{0}, {7}, {15}, {3, 4, 9}, set(range(16))], ids=str)
async def test_one_bad_operation_in_a_group_fails_alone(
    writer: GroupCommit[Journal], tmp_path: Path, guilty: set[int]
) -> None:
    await writer.submit(add("taken"))
    _, release = hold(writer)
    futures = [writer.submit(add("taken" if n in guilty else str(n))) for n in range(16)]
    release.set()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert {n for n, result in enumerate(results) if isinstance(result, sqlite3.IntegrityError)} == guilty
    innocent = [str(n) for n in range(16) if n not in guilty]
    assert [result for result in results if isinstance(result, str)] == innocent
    assert words(tmp_path / "words.sqlite") == ["taken", *innocent]


async def test_a_failed_operation_leaves_nothing_half_done(writer: GroupCommit[Journal], tmp_path: Path) -> None:
    def half(connection: Any) -> None:
        add("half")(connection)
        raise KeyError("the second half")

    with pytest.raises(KeyError):
        await writer.submit(half)
    assert words(tmp_path / "words.sqlite") == []


@pytest.mark.parametrize(
    ("error", "words_of_it"),
    [
        (OSError(errno.ENOSPC, "no space"), "the disk of the data folder is full: free some room"),
        (OSError(errno.EROFS, "read-only"), "the disk of the data folder is read-only"),
        (OSError(errno.EIO, "input/output error"), "the disk of the data folder is failing"),
    ],
    ids=["full", "read-only", "failing"],
)
async def test_a_commit_that_the_disk_refuses_fails_its_group_and_not_the_next(
    writer: GroupCommit[Journal], journal: Journal, tmp_path: Path, error: OSError, words_of_it: str
) -> None:
    _, release = hold(writer)
    futures = [writer.submit(add("a")), writer.submit(add("b"))]
    journal.commit_error = error
    release.set()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(result) for result in results] == [DiskError, DiskError]
    assert words_of_it in str(results[0])
    journal.commit_error = None
    assert await writer.submit(add("c")) == "c"
    assert words(tmp_path / "words.sqlite") == ["c"]


async def test_after_a_failed_commit_the_connection_is_another_one(
    writer: GroupCommit[Journal], journal: Journal
) -> None:
    journal.commit_error = OSError(errno.EIO, "sync")
    with pytest.raises(DiskError):
        await writer.submit(add("a"))
    journal.commit_error = None
    await writer.submit(add("b"))
    assert journal.steps == ["connect", "begin", "close", "connect", "begin", "commit"]


async def test_a_group_that_the_disk_refuses_midway_is_not_tried_in_halves(
    writer: GroupCommit[Journal], journal: Journal, tmp_path: Path
) -> None:
    def refused(connection: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    _, release = hold(writer)
    futures: list[asyncio.Future[Any]] = [writer.submit(add("a")), writer.submit(refused), writer.submit(add("b"))]
    release.set()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert {type(result) for result in results} == {DiskError}
    assert journal.steps.count("begin") == 2
    assert words(tmp_path / "words.sqlite") == []


async def test_as_long_as_there_is_no_connection_every_group_is_refused(
    writer: GroupCommit[Journal], journal: Journal
) -> None:
    journal.commit_error = journal.connect_error = OSError(errno.EROFS, "read-only")
    for word in "abc":
        with pytest.raises(DiskError, match="read-only"):
            await writer.submit(add(word))
    journal.commit_error = journal.connect_error = None
    assert await writer.submit(add("d")) == "d"


async def test_a_check_tries_to_write_only_after_a_failure(writer: GroupCommit[Journal], journal: Journal) -> None:
    await writer.check(add("tried"))
    assert journal.steps == ["connect"]
    journal.commit_error = OSError(errno.ENOSPC, "no space")
    for word in "ab":
        with pytest.raises(DiskError):
            await (writer.submit(add(word)) if word == "a" else writer.check(add(word)))
    journal.commit_error = None
    await writer.check(add("tried"))
    await writer.check(add("tried"))  # unique: it would fail if it were run again


async def test_a_transaction_that_cannot_begin_fails_its_group_and_not_the_next(
    writer: GroupCommit[Journal], tmp_path: Path
) -> None:
    await writer.submit(lambda connection: connection.execute("PRAGMA busy_timeout = 0"))
    other = sqlite3.connect(tmp_path / "words.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await writer.submit(add("a"))
    other.rollback()
    other.close()
    assert await writer.submit(add("a")) == "a"


async def test_an_operation_that_raises_what_a_future_refuses_still_ends(writer: GroupCommit[Journal]) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await writer.submit(lambda connection: next(iter(())))


async def test_a_cancelled_caller_does_not_take_the_write_back(writer: GroupCommit[Journal], tmp_path: Path) -> None:
    _, release = hold(writer)
    cancelled, kept = writer.submit(add("a")), writer.submit(add("b"))
    cancelled.cancel()
    release.set()
    assert await kept == "b"
    assert words(tmp_path / "words.sqlite") == ["a", "b"]


async def test_closing_commits_what_is_queued(journal: Journal, tmp_path: Path) -> None:
    writer = GroupCommit(journal.connect, Journal.begin, "test-writer")
    futures = [writer.submit(add(str(n))) for n in range(20)]
    await asyncio.gather(writer.close(), writer.close())
    assert [await future for future in futures] == [str(n) for n in range(20)]
    assert len(words(tmp_path / "words.sqlite")) == 20
    assert journal.steps[-1] == "close"
    with pytest.raises(StoreError, match="closed"):
        writer.submit(add("late"))


def test_two_event_loops_can_share_a_writer(journal: Journal, tmp_path: Path) -> None:
    writer = GroupCommit(journal.connect, Journal.begin, "test-writer")
    gathered: list[list[str]] = []

    async def fill(half: str) -> None:
        gathered.append(list(await asyncio.gather(*(writer.submit(add(f"{half}{n}")) for n in range(200)))))

    threads = [
        threading.Thread(target=run, args=(fill(half),)) for run, half in ((asyncio.run, "a"), (uvloop.run, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(writer.close())
    assert sorted(map(len, gathered)) == [200, 200]
    assert len(words(tmp_path / "words.sqlite")) == 400


def test_a_loop_that_ended_does_not_stop_the_writer(journal: Journal, tmp_path: Path) -> None:
    writer = GroupCommit(journal.connect, Journal.begin, "test-writer")
    release = threading.Event()

    async def leave() -> None:
        writer.submit(lambda connection: release.wait(10))
        writer.submit(add("a"))

    async def come() -> None:
        assert await writer.submit(add("b")) == "b"
        await writer.close()

    asyncio.run(leave())
    release.set()
    asyncio.run(come())
    assert words(tmp_path / "words.sqlite") == ["a", "b"]
