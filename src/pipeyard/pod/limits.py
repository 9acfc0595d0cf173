"""Everything that bounds the user code of a pod: memory, processes, disk, and what no user code gets."""

from __future__ import annotations

import contextlib
import os
import resource

from . import clock, endings, kernel
from .disk import DiskLimit
from .memory import MemoryLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .cgroups import Groups
    from .folder import PodPaths

_SHARED_MEMORY = "/dev/shm"  # noqa: S108  the pod's own
# How often what the kernel does not bound is looked at: while an execution runs, and while nothing does.
_BUSY_EVERY_S = 0.1
_IDLE_EVERY_S = 1.0
# Looking takes at most one part in this many of the supervisor's time.
_IDLE_SHARE = 20
# When the machine has no memory left, the kernel ends user code before the server (whose score is 0).
_OOM_SCORE = 500


class Limits:
    """The worker's process puts itself under them; the supervisor, which is not under them, looks after them."""

    def __init__(self, order: dict[str, Any], groups: Groups, paths: PodPaths, own_place: bool) -> None:
        self._elastic = order["mode"] == "elastic"
        self._processes_max: int = order["processes_max"]
        self._own_place = own_place
        self._groups = groups
        shared_memory = _SHARED_MEMORY if own_place else None
        memory_max_bytes = order["memory_max_bytes"]
        self._memory = None if memory_max_bytes is None else MemoryLimit(memory_max_bytes, groups, shared_memory)
        self._disk = DiskLimit(order["disk_max_bytes"], paths.folders())
        self._next_look_s = clock.monotonic_s() + _BUSY_EVERY_S

    def enter(self) -> None:
        """Called by the worker's process before it becomes user code."""
        self._groups.enter()
        with contextlib.suppress(OSError):
            kernel.write("/proc/self/oom_score_adj", str(_OOM_SCORE))
        _lower(resource.RLIMIT_FSIZE, self._disk.most_bytes)
        if not self._groups.limits_processes:
            # The kernel counts per user id and user namespace: in a place of its own, those of this pod.
            others = 1 if self._own_place else _tasks_of_this_user()
            _lower(resource.RLIMIT_NPROC, others + self._processes_max)
        kernel.set_no_new_privileges()
        kernel.keep_in_own_scope()

    def due_s(self, busy: bool) -> float:
        """When to look the next time, on the monotonic clock."""
        return self._next_look_s if busy else self._next_look_s + _IDLE_EVERY_S - _BUSY_EVERY_S

    def look(self, busy: bool) -> bool:
        """Whether the worker uses more than it may of what the kernel does not bound. Does nothing before it is due."""
        started_s = clock.monotonic_s()
        if started_s < self.due_s(busy):
            return False
        exceeded = self._disk.look()
        if self._memory is not None and self._memory.is_watched:
            exceeded = self._memory.look() or exceeded
        now_s = clock.monotonic_s()
        self._next_look_s = now_s + max(_BUSY_EVERY_S, (now_s - started_s) * _IDLE_SHARE)
        return exceeded

    def ending(self) -> endings.Ending | None:
        """Why a worker that was killed was ended, if one of these limits is the reason."""
        if self._disk.was_exceeded:
            return endings.of_disk(self._disk.most_bytes)
        if self._memory is not None and self._memory.was_exceeded():
            return endings.of_memory(self._memory.most_bytes, self._memory.peak_bytes(), self._elastic)
        return None


def forbid_core_dumps() -> None:
    """For this process and all that it starts."""
    # 1, not 0: with 0 the kernel still hands the dump to a program that is set in core_pattern. No dump fits into 1.
    _lower(resource.RLIMIT_CORE, 1)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (most, most))


def _tasks_of_this_user() -> int:
    uid, found = os.getuid(), 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                found += len(os.listdir(f"/proc/{name}/task"))
    return found
