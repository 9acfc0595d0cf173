"""One writer thread with group commit: many small durable writes share one transaction and one sync of the disk."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pipeyard import clock
from pipeyard.disk_troubles import describe_trouble
from pipeyard.errors import DiskError, StoreError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Transactional(Protocol):
    """What the writer needs of a connection: `sqlite3.Connection` and `sqlalchemy.Connection` both have it.

    `close` gives up what is not committed.
    """

    def commit(self) -> object: ...
    def rollback(self) -> object: ...
    def close(self) -> object: ...


C = TypeVar("C", bound=Transactional)


class _Write(Generic[C]):
    """One operation on its way: queued, run, and then the news of it."""

    __slots__ = ("error", "future", "operation", "result")

    def __init__(self, operation: Callable[[C], Any], future: asyncio.Future[Any]) -> None:
        self.operation = operation
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class GroupCommit(Generic[C]):
    """A thread that owns one connection and runs what is submitted, in the order of the calls.

    It takes everything that is queued, runs it in one transaction, commits once, and tells the event loop once.

    Operations must be re-runnable: if one of a group raises, the group is rolled back and its halves are run again,
    so that in the end the guilty one alone fails. They touch the connection and nothing else, and never wait.

    When the disk refuses, the whole group fails with DiskError, and the connection with it: after a sync that
    failed, nothing that it remembers of the file may be trusted. The next group gets a fresh one.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        begin: Callable[[C], object],
        name: str,
        committed: Callable[[int, float], None] = lambda writes, took_s: None,
    ) -> None:
        """The first connection is made at once: whoever opens sees its error.

        `committed` hears in the thread how many writes a group had, and how many seconds it took.
        """
        self._committed = committed
        self._connect = connect
        self._connection: C | None = connect()
        self._begin = begin
        self._is_troubled = False
        self._queue: queue.SimpleQueue[_Write[C] | None] = queue.SimpleQueue()
        self._is_closed = False
        # Nothing may be queued behind the None that ends the thread: it would never be told.
        self._lock = threading.Lock()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        # A daemon: what it has not committed was never acknowledged, so a process that just ends loses nothing.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, operation: Callable[[C], T]) -> asyncio.Future[T]:
        """Queue an operation now. The future is done once it is durable; cancelling it does not take it back."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._is_closed:
                raise StoreError("the store is closed")
            self._queue.put(_Write(operation, future))
        return future

    async def check(self, write: Callable[[C], object]) -> None:
        """Raises DiskError while nothing can be committed; `write` is tried only if the last commit failed."""
        if self._is_troubled:
            await self.submit(write)

    async def close(self) -> None:
        """Commit everything that is queued, then close the connection. Idempotent."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _run(self) -> None:
        while group := self._take():
            began_s = clock.monotonic_s()
            self._commit(group)
            _tell(group)
            self._committed(len(group), clock.monotonic_s() - began_s)
        try:
            if self._connection is not None:
                self._connection.close()
        except Exception as error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    def _take(self) -> list[_Write[C]]:
        """Wait for one, then take all that is there. Empty: the end."""
        group: list[_Write[C]] = []
        write = self._queue.get()
        while write is not None:
            group.append(write)
            try:
                write = self._queue.get_nowait()
            except queue.Empty:
                return group
        if group:
            self._queue.put(None)  # this group first, the end after it
        return group

    def _commit(self, group: Sequence[_Write[C]]) -> None:
        """Run a group in one transaction; if one of several raises, each half in its own, in the same order."""
        try:
            connection = self._connection = self._connection or self._connect()
            self._begin(connection)
        except BaseException as error:
            self._break(group, error)
            return
        for write in group:
            try:
                write.result = write.operation(connection)
            except BaseException as error:
                if describe_trouble(error) is not None:
                    self._break(group, error)
                    return
                self._roll_back(connection)
                if len(group) == 1:
                    _fail(group, error)
                    return
                middle = len(group) // 2
                self._commit(group[:middle])
                self._commit(group[middle:])
                return
        try:
            connection.commit()
        except BaseException as error:
            self._break(group, error)
        else:
            self._is_troubled = False

    def _break(self, group: Sequence[_Write[C]], error: BaseException) -> None:
        """Fail them all, and let the next group begin with another connection."""
        trouble = describe_trouble(error)
        if trouble is not None:
            if not self._is_troubled:
                log.error("nothing can be stored: %s (%s)", trouble, error)
            self._is_troubled = True
            unavailable = DiskError(trouble)
            unavailable.__cause__ = error
            error = unavailable
        _fail(group, error)
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                log.debug("a connection that failed could not be closed", exc_info=True)

    def _roll_back(self, connection: C) -> None:
        try:
            connection.rollback()
        except Exception:
            log.exception("a transaction could not be rolled back")


def _fail(group: Sequence[_Write[Any]], error: BaseException) -> None:
    if isinstance(error, StopIteration):  # a future refuses it
        error = RuntimeError("an operation raised StopIteration")
    for write in group:
        write.error = error


def _tell(group: Sequence[_Write[Any]]) -> None:
    """Wake each event loop once for all its futures of the group: there is one loop, outside of tests."""
    loop = group[0].future.get_loop()
    mine = [write for write in group if write.future.get_loop() is loop]
    others = [write for write in group if write.future.get_loop() is not loop]
    try:
        loop.call_soon_threadsafe(_resolve, mine)
    except RuntimeError:
        log.debug("%d writes were committed after their event loop had closed", len(mine))
    if others:
        _tell(others)


def _resolve(group: Sequence[_Write[Any]]) -> None:
    for write in group:
        if write.future.done():  # its caller was cancelled
            continue
        if write.error is None:
            write.future.set_result(write.result)
        else:
            write.future.set_exception(write.error)
