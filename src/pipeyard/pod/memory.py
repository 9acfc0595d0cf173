"""The memory that user code may use: a cgroup (v2, v1) where this machine gives one, else a watch on the processes.

The supervisor stays outside of it: it must live to tell why the worker died.
"""

from __future__ import annotations

import contextlib
import os

from . import process_tree

_V1 = "/sys/fs/cgroup/memory"
_V2 = "/sys/fs/cgroup"
_PARENT = "pipeyard"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
WATCH_EVERY_S = 0.1


class MemoryLimit:
    """At most `most_bytes` for the worker and all that it starts."""

    __slots__ = ("_events", "_peak", "_peak_bytes", "_procs", "_was_exceeded", "is_watched", "most_bytes")

    def __init__(self, most_bytes: int, group: str | None) -> None:
        self.most_bytes = most_bytes
        self.is_watched = group is None
        self._was_exceeded = False
        self._peak_bytes = 0
        if group is not None:
            # Opened by whoever may: inside the pod neither the supervisor nor the worker can reach them.
            v2 = os.path.exists(f"{group}/memory.events")
            self._procs = os.open(f"{group}/cgroup.procs", os.O_WRONLY)
            self._events = os.open(f"{group}/{'memory.events' if v2 else 'memory.oom_control'}", os.O_RDONLY)
            self._peak = _open_any(f"{group}/memory.peak", f"{group}/memory.max_usage_in_bytes")

    def enter(self) -> None:
        """Called by the worker's process before it becomes user code."""
        if not self.is_watched:
            os.write(self._procs, b"0")  # itself, in whatever pid namespace

    def look(self) -> bool:
        """Watched: whether the processes use more than they may, now."""
        used_bytes = sum(map(_used_bytes, process_tree.descendants(os.getpid())))
        self._peak_bytes = max(self._peak_bytes, used_bytes)
        self._was_exceeded = self._was_exceeded or used_bytes > self.most_bytes
        return self._was_exceeded

    def was_exceeded(self) -> bool:
        """Whether a process was ended for it."""
        if self.is_watched:
            return self._was_exceeded
        counts = dict(line.split(" ", 1) for line in _read(self._events).splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def peak_bytes(self) -> int:
        """The most that was used at one time; 0 if the machine does not tell."""
        if self.is_watched:
            return self._peak_bytes
        return 0 if self._peak is None else int(_read(self._peak))


def limit_memory(pod_id: str, most_bytes: int | None) -> MemoryLimit | None:
    """The limit of a new pod; None without one. Called with the rights of the server."""
    if most_bytes is None:
        return None
    for make in (_make_v2, _make_v1):
        try:
            return MemoryLimit(most_bytes, make(pod_id, most_bytes))
        except OSError:
            remove_group(pod_id)
    return MemoryLimit(most_bytes, None)


def remove_group(pod_id: str) -> None:
    """The cgroup of a pod whose processes are gone. Idempotent."""
    for root in (_V1, _V2):
        with contextlib.suppress(OSError):
            os.rmdir(f"{root}/{_PARENT}/{pod_id}")


def _make_v1(pod_id: str, most_bytes: int) -> str:
    group = f"{_V1}/{_PARENT}/{pod_id}"
    os.makedirs(group)
    _write(f"{group}/memory.limit_in_bytes", str(most_bytes))
    with contextlib.suppress(OSError):  # kernels without accounting of swap
        _write(f"{group}/memory.memsw.limit_in_bytes", str(most_bytes))
    return group


def _make_v2(pod_id: str, most_bytes: int) -> str:
    parent = f"{_V2}/{_PARENT}"
    group = f"{parent}/{pod_id}"
    os.stat(f"{_V2}/cgroup.subtree_control")  # else what is mounted there is no cgroup v2
    os.makedirs(group)
    for above in (_V2, parent):
        if "memory" not in _controllers(above):
            _write(f"{above}/cgroup.subtree_control", "+memory")
    _write(f"{group}/memory.max", str(most_bytes))
    _write(f"{group}/memory.oom.group", "1")
    with contextlib.suppress(OSError):
        _write(f"{group}/memory.swap.max", "0")
    return group


def _controllers(folder: str) -> list[str]:
    with open(f"{folder}/cgroup.subtree_control", encoding="ascii") as file:
        return file.read().split()


def _used_bytes(pid: int) -> int:
    """What a process has for itself: resident, less what it shares with files and others."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0
    return (resident - shared) * _PAGE_BYTES


def _open_any(*paths: str) -> int | None:
    for path in paths:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY)
    return None


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 4096, 0).decode()


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
