"""The processes that user code has started, found and ended whatever they did to their groups and parents."""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def kill_descendants(own_processes: bool) -> None:
    """Kill every process of the pod but the supervisor. `own_processes`: the supervisor is pid 1 of a pid namespace."""
    if own_processes and os.getpid() == 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        return
    # A process may fork while the list is read: stop what is found, and repeat until none is left.
    while found := descendants(os.getpid()):
        for pid in found:
            _send(pid, signal.SIGSTOP)
        for pid in found:
            _send(pid, signal.SIGKILL)


def descendants(ancestor: int) -> list[int]:
    """The living descendants of a process."""
    children: dict[int, list[int]] = {}
    for pid, fields in living():
        children.setdefault(int(fields[1]), []).append(pid)
    return below(ancestor, children)


def living() -> Iterator[tuple[int, list[bytes]]]:
    """Every process that is not a zombie: its pid, and the fields of /proc/PID/stat from its state (field 3) on."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            yield int(name), fields


def below(ancestor: int, children: Mapping[int, Sequence[int]]) -> list[int]:
    """All descendants, given the children of each process."""
    found: list[int] = []
    queue = [ancestor]
    while queue:
        queue = [child for parent in queue for child in children.get(parent, ())]
        found += queue
    return found


def reap() -> dict[int, int]:
    """Wait for every child that has ended: {pid: wait status}."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
