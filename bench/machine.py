"""What the figures were measured on."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.servers import LITSERVE_PYTHON

SYNCS = 50


def describe(folder: Path) -> dict[str, str]:
    """Names and values, in the order in which they are printed."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": f"{len(os.sched_getaffinity(0))} cores, {_cpu()}, {_memory_gb():.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "pipeyard": f"{version('pipeyard')}{_commit()}",
        "litserve": _peer_version("litserve"),
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "disk": f"fdatasync of 4 KiB takes {_sync_ms(folder):.2f} ms where the data folder is",
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _commit() -> str:
    """The commit, and whether the tree differs from it; nothing outside a clone."""
    shown = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        check=False,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    return f" ({shown.stdout.strip()})" if shown.returncode == 0 else ""


def _peer_version(package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    shown = subprocess.run([str(LITSERVE_PYTHON), "-c", code], check=False, capture_output=True, text=True)
    return shown.stdout.strip() if shown.returncode == 0 else "not installed"


def _sync_ms(folder: Path) -> float:
    """What a durable write costs here. Far below 0.1 ms: the disk is memory, or lies."""
    file = folder / "sync-probe"
    found = []
    with file.open("wb", buffering=0) as stream:
        for _ in range(SYNCS):
            stream.write(bytes(4096))
            started_at = time.perf_counter()
            os.fdatasync(stream.fileno())
            found.append(1000 * (time.perf_counter() - started_at))
    file.unlink()
    return median(found)
