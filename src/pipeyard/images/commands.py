"""Running one program of a build: its output by lines, no process of it left."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LINE_LENGTH_LIMIT = 64 * 1024
LEFT_OUT = "[a line of more than 64 KiB was left out]"
_CHUNK_BYTES = 64 * 1024
# For the output of a program that has ended, when a process that got away still holds the pipe.
_DRAIN_S = 2.0


@dataclass(frozen=True)
class Command:
    """What to run, where and with what."""

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    input: bytes = b""
    timeout_s: float = field(default=60.0)


async def run_command(command: Command, on_line: Callable[[str], None]) -> int:
    """Its exit status; negative for a signal. Raises TimeoutError; then, and when cancelled, all of it is killed."""
    process = await asyncio.create_subprocess_exec(
        *command.arguments,
        cwd=command.folder,
        env=dict(command.environment),
        stdin=asyncio.subprocess.PIPE if command.input else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(_read_lines(process.stdout, on_line))
    try:
        async with asyncio.timeout(command.timeout_s):
            await _write(process, command.input)
            await process.wait()
        # What it left running ends with it, and lets go of the pipe.
        _kill_group(process.pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await asyncio.shield(reading)
        return process.returncode or 0
    finally:
        if process.returncode is None:
            _kill_group(process.pid)
        reading.cancel()
        # A cancelled build may be cancelled again: reap all the same.
        await asyncio.shield(asyncio.ensure_future(_reap(process, reading)))


async def run_for_text(command: Command) -> tuple[int, str]:
    """As `run_command`, with the output as one text."""
    lines: list[str] = []
    status = await run_command(command, lines.append)
    return status, "\n".join(lines)


async def _write(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        return
    # It may end without reading: its exit status says more than the broken pipe (a RuntimeError under uvloop).
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _reap(process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
    await process.wait()
    await asyncio.wait([reading])
    # Closes the pipe where a process that got away still holds its other end.
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


async def _read_lines(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    lines = Lines(on_line)
    while chunk := await stream.read(_CHUNK_BYTES):
        lines.feed(chunk)
    lines.close()


class Lines:
    """Cuts bytes into lines of text. Longer ones than the limit are left out: half a secret cannot be masked."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._rest = ""
        self._too_long = False

    def feed(self, data: bytes) -> None:
        """Hand on each line that is whole now."""
        *whole, rest = (self._rest + self._decode(data)).replace("\r", "\n").split("\n")
        for line in whole:
            self._emit(line)
        self._rest = rest
        if len(rest) > LINE_LENGTH_LIMIT:
            self._rest, self._too_long = "", True

    def close(self) -> None:
        """Hand on what has no end of line."""
        if self._rest or self._too_long:
            self._emit(self._rest)

    def _emit(self, line: str) -> None:
        too_long = self._too_long or len(line) > LINE_LENGTH_LIMIT
        self._too_long = False
        if too_long or line.strip():
            self._on_line(LEFT_OUT if too_long else line.rstrip())
