"""Processes of this machine: who they are, and when they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from pipeyard.pod import cgroups
from pipeyard.pod.interpreter import POD_VARIABLE


def boot_id() -> str:
    """Names the time since the machine was started: pids and start times of another boot mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def is_alive(pid: int, start_time_ticks: int) -> bool:
    """Whether the process that had this pid from that moment still runs (a zombie does not)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == start_time_ticks and fields[0] not in (b"Z", b"X")


class Watch:
    """A process that is watched: it keeps its identity while it is, whoever gets its pid afterwards."""

    def __init__(self, pid: int, start_time_ticks: int) -> None:
        """Raises ProcessLookupError if that process has ended."""
        self._pid = pid
        self._fd = os.pidfd_open(pid)
        if not is_alive(pid, start_time_ticks):  # after the descriptor: from here on it cannot change
            os.close(self._fd)
            reap(pid)
            raise ProcessLookupError(pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    async def ended(self) -> None:
        """Return when the process has ended."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        readable = os.dup(self._fd)  # a loop takes one reader a descriptor, and there may be several waiting
        loop.add_reader(readable, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(readable)
            os.close(readable)

    def close(self) -> None:
        """Stop watching, and collect the exit status if the process was a child of this one."""
        os.close(self._fd)
        reap(self._pid)


def reap(pid: int) -> None:
    """Collect the exit status of a child that has ended; nothing happens for other processes."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def kill_survivors(pod_dir: Path) -> None:
    """End what a pod without a pid namespace has left behind.

    Its processes are in its cgroups, where this machine has them, and carry its folder in their environment, unless
    they have removed it there.
    """
    mark = f"{POD_VARIABLE}={pod_dir}".encode()
    killed: set[int] = set()
    while pids := _carriers(mark) | cgroups.members(pod_dir.name):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= pids
    for pid in (*killed, *killed):  # a child becomes this server's when its parent has ended, which may come later
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _carriers(mark: bytes) -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit() and _carries(name, mark)}


def _carries(pid: str, mark: bytes) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return mark in environment.split(b"\0")
