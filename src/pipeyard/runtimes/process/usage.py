"""What the processes of pods use, from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeyard.domain.pods import PodRef
from pipeyard.domain.samples import PodUsage
from pipeyard.pod.process_tree import below, living

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Above, the kernel would count for tens of milliseconds, and what is shared is little beside the rest.
_DIVIDED_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class _Process:
    start_time_ticks: int
    cpu_ticks: int  # with that of its children that have ended
    resident_pages: int


def read_usage(refs: Iterable[PodRef]) -> dict[PodRef, PodUsage]:
    """One look at all processes of the machine; a pod that is gone is left out. Blocks for milliseconds."""
    processes: dict[int, _Process] = {}
    children: dict[int, list[int]] = {}
    for pid, fields in living():
        processes[pid] = _Process(int(fields[19]), sum(map(int, fields[11:15])), int(fields[21]))
        children.setdefault(int(fields[1]), []).append(pid)
    up_s = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    usages = {}
    for ref in refs:
        first = processes.get(ref.pid)
        if first is None or first.start_time_ticks != ref.start_time_ticks:
            continue
        pids = [pid for pid in (ref.pid, *below(ref.pid, children)) if pid in processes]
        usages[ref] = PodUsage(
            running_s=up_s - first.start_time_ticks / _TICKS_PER_S,
            cpu_s=sum(processes[pid].cpu_ticks for pid in pids) / _TICKS_PER_S,
            memory_bytes=sum(_memory_bytes(pid, processes[pid]) for pid in pids),
            processes=len(pids),
        )
    return usages


def _memory_bytes(pid: int, process: _Process) -> int:
    """Its share: forked processes have most of their memory in common, which is counted once over all of them."""
    resident_bytes = process.resident_pages * _PAGE_BYTES
    if resident_bytes > _DIVIDED_MAX_BYTES:
        return resident_bytes
    # Not there: it has just ended, or this server is not root and may not look into a supervisor.
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as lines:
        for line in lines:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return resident_bytes
