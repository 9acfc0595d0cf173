"""What a person sees meanwhile: bars in a terminal and in a notebook, lines elsewhere, nothing unless it is wanted."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from pipeyard import clock
from pipeyard.sdk.execution_context import get_execution_id
from pipeyard.sdk.files import Reader, size_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

VERBOSE_VARIABLE = "SDK_VERBOSE_LOG"
_WIDE_ENOUGH = 80  # columns of a terminal for a bar, bytes and speed beside what is done
_SAID_AFTER_S = 1.0  # what took less is not worth a line


def is_seen() -> bool:
    """Whether somebody looks on: a terminal, or a notebook."""
    shell = sys.modules.get("IPython")
    kernel = None if shell is None else shell.get_ipython()
    return sys.stderr.isatty() or type(kernel).__name__ == "ZMQInteractiveShell"


def wants_display(verbose_log: bool | None) -> bool:
    """As given; else as the variable says; else where somebody looks on and the code is not in an execution."""
    if verbose_log is not None:
        return verbose_log
    variable = os.environ.get(VERBOSE_VARIABLE, "").lower()
    if variable in ("true", "false"):
        return variable == "true"
    return is_seen() and get_execution_id() is None


class Task:
    """Something that takes a while. The silent kind."""

    def advance(self, amount: int) -> None:
        """So much more is done."""

    def expect(self, total: int | None) -> None:
        """How much there is to do."""

    def say(self, line: str) -> None:
        """A line of its log."""


class _SpokenTask(Task):
    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class _BarTask(Task):
    def __init__(self, progress: Progress, task_id: TaskID) -> None:
        self._progress = progress
        self._id = task_id

    def advance(self, amount: int) -> None:
        self._progress.advance(self._id, amount)

    def expect(self, total: int | None) -> None:
        self._progress.update(self._id, total=total)

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


class Display:
    """What one client shows. Several tasks share one display, as several requests may be on their way at once."""

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._tasks = 0

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Task]:
        """Something that takes a while; `total` in bytes."""
        if not self.is_on:
            yield Task()
            return
        started_at = clock.monotonic_s()
        outcome = "failed"
        try:
            if is_seen():
                with self._bar(description, total) as bar:
                    yield bar
            else:
                yield _SpokenTask()
            outcome = "done"
        finally:
            elapsed_s = clock.monotonic_s() - started_at
            if outcome == "failed" or elapsed_s >= _SAID_AFTER_S:
                print(f"{description}: {outcome} after {elapsed_s:.1f} s", file=sys.stderr, flush=True)

    @contextmanager
    def reading(self, description: str, file: IO[bytes]) -> Iterator[IO[bytes]]:
        """A task whose progress is how far the file has been read."""
        with self.task(description, size_of(file)) as task:
            yield cast("IO[bytes]", _WatchedFile(file, task)) if self.is_on else file

    @contextmanager
    def _bar(self, description: str, total: int | None) -> Iterator[Task]:
        progress = self._open()
        task_id = progress.add_task(description, total=total)
        try:
            yield _BarTask(progress, task_id)
        finally:
            progress.remove_task(task_id)
            self._close()

    def _open(self) -> Progress:
        with self._lock:
            self._tasks += 1
            if self._progress is None:
                self._progress = _new_progress()
                self._progress.start()
            return self._progress

    def _close(self) -> None:
        with self._lock:
            self._tasks -= 1
            if self._tasks == 0 and self._progress is not None:
                self._progress.stop()
                self._progress = None


def _new_progress() -> Progress:
    from rich.console import Console  # noqa: PLC0415  # nobody pays for it who sees nothing
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TransferSpeedColumn,
    )
    from rich.table import Column  # noqa: PLC0415

    class BytesColumn(DownloadColumn):
        """Bytes, where a task counts any."""

        def render(self, task: Any) -> Any:
            return super().render(task) if task.total else ""

    class SpeedColumn(TransferSpeedColumn):
        def render(self, task: Any) -> Any:
            return super().render(task) if task.total else ""

    console = Console(stderr=True)
    description = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))  # cut, not wrapped
    columns = [BarColumn(), BytesColumn(), SpeedColumn()] if console.width >= _WIDE_ENOUGH else []
    return Progress(SpinnerColumn(), description, *columns, TimeElapsedColumn(), console=console, transient=True)


class _WatchedFile(Reader):
    """A file that says how far it has been read."""

    def __init__(self, file: IO[bytes], task: Task) -> None:
        super().__init__(file)
        self._task = task
        self._counted = 0

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        self._count(self._counted + len(data))
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = super().seek(offset, whence)
        if position < self._counted:  # it is sent again
            self._count(position)
        return position

    def _count(self, position: int) -> None:
        self._task.advance(position - self._counted)
        self._counted = position
