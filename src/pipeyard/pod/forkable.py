"""Whether a process can be forked after its imports, so that its children work and share nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CANARY_MAX_S = 10.0
_CANARY_LOOK_S = 0.002
_SIDE = 192  # of its matrices: large enough for the libraries to use their threads


def reason_against(descriptors: set[str]) -> str | None:
    """None: it can. `descriptors`: what was open before the imports."""
    return _threads() or _devices() or _shared_memory() or _descriptors(open_descriptors() - descriptors) or _canary()


def open_descriptors() -> set[str]:
    """The numbers of the descriptors, each with what it leads to."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that the list was read through
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return found


def own_memory_bytes() -> int:
    """What the imports take, without files."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _threads() -> str | None:
    import threading  # noqa: PLC0415

    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    return f"its imports start a Python thread ({others[0]})" if others else None


def _devices() -> str | None:
    """A context of CUDA does not survive a fork."""
    leads_to = [descriptor.partition(" ")[2] for descriptor in open_descriptors()]
    return "its imports use a GPU" if any(path.startswith("/dev/nvidia") for path in leads_to) else None


def _shared_memory() -> str | None:
    """Written by one execution, it would be read by another."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.split(maxsplit=5)
            if fields[1][1] == "w" and fields[1][3] == "s":
                return f"its imports share memory ({fields[5].strip() if len(fields) > 5 else 'anonymous'})"
    return None


def _descriptors(opened: set[str]) -> str | None:
    """Executions would have their position, and what can be read there, in common."""
    return f"its imports leave something open ({sorted(opened)[0].partition(' ')[2]})" if opened else None


def _canary() -> str | None:
    """Fork a first child, which multiplies matrices where it can."""
    pid = os.fork()
    if pid == 0:
        _sing()
    give_up_s = time.monotonic() + _CANARY_MAX_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return None if status == 0 else "a first forked process did not work"
        if time.monotonic() > give_up_s:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return f"a first forked process did not work within {_CANARY_MAX_S:g} s"
        time.sleep(_CANARY_LOOK_S)


def _sing() -> None:
    status = 1
    try:
        if len(os.listdir("/proc/self/task")) == 1:  # with more it could not enter a pod
            for module in ("numpy", "torch"):
                library: Any = sys.modules.get(module)
                if library is not None:
                    matrix = library.ones((_SIDE, _SIDE))
                    product = matrix @ matrix
                    assert float(product[0, 0]) == _SIDE
            status = 0
    finally:
        os._exit(status)
