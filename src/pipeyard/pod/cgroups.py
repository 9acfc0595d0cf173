"""The control groups of one pod (v2, else v1): the kernel counts and limits its user code, all processes together.

The supervisor stays outside of them: it must live to tell why the worker died.
"""

from __future__ import annotations

import contextlib
import os

from . import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = "/sys/fs/cgroup"
_V1_ROOTS = {"memory": f"{_ROOT}/memory", "pids": f"{_ROOT}/pids"}
_PARENT = "pipeyard"


class Groups:
    """What was opened by whoever may: inside the pod neither the supervisor nor the worker can reach the files."""

    __slots__ = ("_events", "_peak", "limits_memory", "limits_processes", "procs")

    def __init__(self, memory: str | None, pids: str | None) -> None:
        self.limits_memory = memory is not None
        self.limits_processes = pids is not None
        self.procs = [os.open(f"{path}/cgroup.procs", os.O_WRONLY) for path in {memory, pids} if path is not None]
        self._events = self._peak = None
        if memory is not None:
            self._events = _open_any(f"{memory}/memory.events", f"{memory}/memory.oom_control")
            self._peak = _open_any(f"{memory}/memory.peak", f"{memory}/memory.max_usage_in_bytes")

    def enter(self) -> None:
        """Called by the process that is to be limited, with all that it will start."""
        for descriptor in self.procs:
            os.write(descriptor, b"0")  # itself, in whatever pid namespace

    def close(self) -> None:
        """Let go of the descriptors."""
        for descriptor in (*self.procs, self._events, self._peak):
            if descriptor is not None:
                os.close(descriptor)

    def memory_was_exceeded(self) -> bool:
        """Whether the kernel has ended a process for its memory."""
        if self._events is None:
            return False
        counts = dict(line.split(" ", 1) for line in _read(self._events).splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def peak_bytes(self) -> int:
        """The most memory that was used at one time; 0 if the kernel does not tell."""
        return 0 if self._peak is None else int(_read(self._peak))


def create(pod_id: str, memory_max_bytes: int | None, processes_max: int) -> Groups:
    """The groups of a new pod, as far as this machine gives them. Called with the rights of the server."""
    if os.path.exists(f"{_ROOT}/cgroup.controllers"):
        return _create_v2(pod_id, memory_max_bytes, processes_max)
    memory = None
    if memory_max_bytes is not None:
        limit = {"memory.limit_in_bytes": memory_max_bytes}
        with_swap = {"memory.memsw.limit_in_bytes": memory_max_bytes}  # not there in kernels that do not count swap
        memory = _make(f"{_V1_ROOTS['memory']}/{_PARENT}/{pod_id}", limit, with_swap)
    return Groups(memory, _make(f"{_V1_ROOTS['pids']}/{_PARENT}/{pod_id}", {"pids.max": processes_max}))


def members(pod_id: str) -> set[int]:
    """The processes in the groups of a pod."""
    found: set[int] = set()
    for path in _paths(pod_id):
        with contextlib.suppress(OSError), open(f"{path}/cgroup.procs", encoding="ascii") as file:
            found.update(map(int, file.read().split()))
    return found - {0}  # what is outside of this pid namespace has no number here


def remove(pod_id: str) -> None:
    """Remove the groups of a pod whose processes are gone. Idempotent."""
    for path in _paths(pod_id):
        with contextlib.suppress(OSError):
            os.rmdir(path)


def _create_v2(pod_id: str, memory_max_bytes: int | None, processes_max: int) -> Groups:
    limits = {"pids.max": processes_max}
    if memory_max_bytes is not None:
        limits |= {"memory.max": memory_max_bytes, "memory.oom.group": 1}
    parent = f"{_ROOT}/{_PARENT}"
    with contextlib.suppress(OSError):  # then the limits cannot be written, and there is no group
        os.makedirs(parent, exist_ok=True)
        for above in (_ROOT, parent):
            kernel.write(f"{above}/cgroup.subtree_control", "+memory +pids")
    path = _make(f"{parent}/{pod_id}", limits, {"memory.swap.max": 0} if memory_max_bytes is not None else {})
    return Groups(path if memory_max_bytes is not None else None, path)


def _make(path: str, limits: dict[str, int], wishes: Mapping[str, int] | None = None) -> str | None:
    """The group with all the limits, and the wishes that can be had; None where it cannot be made, or is there."""
    try:
        os.makedirs(path)
    except OSError:
        return None
    try:
        for name, value in limits.items():
            kernel.write(f"{path}/{name}", str(value))
    except OSError:
        os.rmdir(path)
        return None
    for name, value in (wishes or {}).items():
        with contextlib.suppress(OSError):
            kernel.write(f"{path}/{name}", str(value))
    return path


def _paths(pod_id: str) -> list[str]:
    return [f"{root}/{_PARENT}/{pod_id}" for root in (_ROOT, *_V1_ROOTS.values())]


def _open_any(*paths: str) -> int | None:
    for path in paths:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY)
    return None


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 4096, 0).decode()
