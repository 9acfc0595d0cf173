"""Who writes: `sys.stdout` and `sys.stderr` that know which execution a line is of, and threads that inherit it."""

from __future__ import annotations

import builtins
import io
import os
import select
import sys
import threading
from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import ContextVar
    from typing import Any

    from .channel import Channel

_FRAME_BYTES = 64 * 1024


class Attribution:
    """Sends what is written to the log of the execution in whose context it is written.

    Where one execution runs at a time, its output goes straight to the pipe: fast, in order with what C code and child
    processes write, and safe when the process dies the next moment. All else is tagged and goes over the channel.
    """

    def __init__(self, channel: Channel, current_execution_id: ContextVar[str]) -> None:
        self._channel = channel
        self.current_execution_id = current_execution_id
        self.owner_of_pipes: str | None = None  # the execution to which the supervisor gives raw output
        self.stderr = LogStream(self, "stderr", 2)
        sys.stdout = sys.__stdout__ = LogStream(self, "stdout", 1)  # type: ignore[misc, assignment]
        sys.stderr = sys.__stderr__ = self.stderr  # type: ignore[misc, assignment]

    def write(self, stream: str, descriptor: int, data: bytes) -> None:
        """Write to the log of the current execution."""
        execution_id = self.current_execution_id.get(None)
        if execution_id == self.owner_of_pipes or not self._channel.usable:
            _write_all(descriptor, data)
            return
        header = {"type": "log", "execution_id": execution_id, "stream": stream}
        for start in range(0, len(data), _FRAME_BYTES):
            self._channel.send(header, data[start : start + _FRAME_BYTES])

    def print_whole_lines(self) -> None:
        """From now on `print` writes once, so that lines of two threads of one execution do not run into each other."""
        original = builtins.print

        @wraps(original)
        def print_at_once(*values: Any, **options: Any) -> None:
            file = options.get("file") or sys.stdout
            if type(file) is not LogStream:
                original(*values, **options)
                return
            line = io.StringIO()
            original(*values, **{**options, "file": line})
            file.write(line.getvalue())

        builtins.print = print_at_once

    def carry_into_threads(self) -> None:
        """From now on a thread belongs to the execution that starts it."""
        current = self.current_execution_id
        start = threading.Thread.start

        @wraps(start)
        def start_in_context(thread: threading.Thread) -> None:
            execution_id = current.get(None)
            if execution_id is not None:
                run = thread.run

                def run_in_context() -> None:
                    current.set(execution_id)
                    run()

                thread.run = run_in_context  # type: ignore[method-assign]
            start(thread)

        threading.Thread.start = start_in_context  # type: ignore[method-assign, assignment]
        threading.excepthook = _without_our_frames(threading.excepthook)

    def carry_into_executors(self) -> None:
        """What is submitted to a thread pool belongs to the execution that submits it. Idempotent.

        Called before each execution starts: the pool's module is slow to import, and until a second execution starts
        the threads of a pool belong to the right one anyway.
        """
        module = sys.modules.get("concurrent.futures.thread")
        executor = getattr(module, "ThreadPoolExecutor", None)
        if executor is None or hasattr(executor.submit, "__wrapped__"):
            return
        current, submit = self.current_execution_id, executor.submit

        @wraps(submit)
        def submit_in_context(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            execution_id = current.get(None)
            if execution_id is None:
                return submit(pool, function, *args, **kwargs)
            return submit(pool, _in_context(current, execution_id, function), *args, **kwargs)

        executor.submit = submit_in_context


def _without_our_frames(report: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What a thread raises is shown from the user's first frame on."""

    def report_user_part(raised: Any) -> None:
        trace = raised.exc_traceback
        while trace is not None and trace.tb_frame.f_code.co_filename in (threading.__file__, __file__):
            trace = trace.tb_next
        if trace is not None and raised.exc_value is not None:
            raised.exc_value.__traceback__ = trace  # what is printed is the exception's own
        report(raised)

    return report_user_part


def _in_context(current: ContextVar[str], execution_id: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        token = current.set(execution_id)
        try:
            return function(*args, **kwargs)
        finally:
            current.reset(token)

    return run


class _LogBytes(io.BufferedIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, attribution: Attribution, stream: str, descriptor: int) -> None:
        self._attribution = attribution
        self._stream = stream
        self._descriptor = descriptor
        self.name = f"<{stream}>"
        self.mode = "wb"
        self.raw = self

    def write(self, data: Any) -> int:
        content = bytes(data)
        if content:
            self._attribution.write(self._stream, self._descriptor, content)
        return len(content)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Stay open: what runs later in this process still writes."""


class LogStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr`: unbuffered, so that nothing is lost when the process dies."""

    def __init__(self, attribution: Attribution, stream: str, descriptor: int) -> None:
        self._bytes = _LogBytes(attribution, stream, descriptor)
        self._errors = "backslashreplace"
        self.name = f"<{stream}>"
        self.mode = "w"
        self.line_buffering = True
        self.write_through = True

    @property
    def buffer(self) -> _LogBytes:
        """The stream of bytes below."""
        return self._bytes

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What UTF-8 cannot say (lone surrogates) is written as escapes."""
        return self._errors

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._bytes.write(text.encode("utf-8", self._errors))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        self.write("".join(lines))

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._bytes.fileno()

    def isatty(self) -> bool:
        return False

    def reconfigure(self, **_options: Any) -> None:
        """Accepted as of any text stream; there is nothing to change."""

    def detach(self) -> _LogBytes:  # type: ignore[override]
        return self._bytes

    def close(self) -> None:
        """Stay open: what runs later in this process still writes."""


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # a child process has made the shared pipe non-blocking
            select.select((), (descriptor,), ())
