"""The memory that user code may use: the kernel's count in a cgroup, else a watch on the processes."""

from __future__ import annotations

import os

from . import process_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cgroups import Groups

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MemoryLimit:
    """At most `most_bytes` for the worker and all that it starts."""

    __slots__ = ("_groups", "_peak_bytes", "_shared_memory", "_was_exceeded", "is_watched", "most_bytes")

    def __init__(self, most_bytes: int, groups: Groups, shared_memory: str | None) -> None:
        self.most_bytes = most_bytes
        self.is_watched = not groups.limits_memory
        self._groups = groups
        self._shared_memory = shared_memory  # the pod's own file system in memory
        self._was_exceeded = False
        self._peak_bytes = 0

    def look(self) -> bool:
        """Watched: whether the processes use more than they may, now."""
        shared_bytes = 0
        if self._shared_memory is not None:
            status = os.statvfs(self._shared_memory)
            shared_bytes = (status.f_blocks - status.f_bfree) * status.f_frsize
        pids = process_tree.descendants(os.getpid())
        used_bytes = shared_bytes + sum(map(_used_bytes, pids))
        if used_bytes > self.most_bytes:  # what forked processes have in common was counted for each of them
            used_bytes = shared_bytes + sum(map(_divided_bytes, pids))
        self._peak_bytes = max(self._peak_bytes, used_bytes)
        self._was_exceeded = self._was_exceeded or used_bytes > self.most_bytes
        return self._was_exceeded

    def was_exceeded(self) -> bool:
        """Whether a process was ended for it."""
        return self._was_exceeded if self.is_watched else self._groups.memory_was_exceeded()

    def peak_bytes(self) -> int:
        """The most that was used at one time; 0 if the machine does not tell."""
        return self._peak_bytes if self.is_watched else self._groups.peak_bytes()


def _divided_bytes(pid: int) -> int:
    """What a process has in memory, without files; of what several have in common, its part. Slow for large ones."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as lines:
            for line in lines:
                if line.startswith(b"Pss_Anon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _used_bytes(pid)


def _used_bytes(pid: int) -> int:
    """What a process has in memory, without files. Of what it has in common with others, all."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0
    return (resident - shared) * _PAGE_BYTES
