"""What the platform costs while nothing happens: its command line, its start, its memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench.figures import Samples
from bench.rounds import Length, take_turns
from bench.rows import Budget, Row
from bench.servers import PIPEYARD, scratch_folder, start_pipeyard, stop_pipeyard

SETTLE_S = 1.0


def measure(length: Length) -> Iterator[Row]:
    """Each round starts a platform in a folder of its own."""
    subprocess.run([str(PIPEYARD), "--help"], check=True, capture_output=True)  # bytecode and page cache
    turns = {"help": partial(_help_s, length.starts), "start": _start}
    found = take_turns(length.rounds, turns)
    helps = Samples(tuple(value[0] for value in found["help"]))
    firsts, agains, memories = (Samples(values) for values in zip(*found["start"], strict=True))
    ready = Budget(2.0, note="asked with 100,000 executions stored; here the store is empty")
    yield Row("pipeyard --help", "s", helps, budget=Budget(0.2))
    yield Row("server ready, first start", "s", firsts)
    yield Row("server ready, next start", "s", agains, budget=ready)
    yield Row("idle server, resident memory", "MB", memories, budget=Budget(150.0))


def _help_s(times: int) -> tuple[float, ...]:
    found = []
    for _ in range(times):
        started_at = time.perf_counter()
        subprocess.run([str(PIPEYARD), "--help"], check=True, capture_output=True)
        found.append(time.perf_counter() - started_at)
    return (median(found),)


def _start() -> tuple[float, ...]:
    """Seconds of a first start and of the next one, and the megabytes after a second of rest."""
    with scratch_folder() as folder:
        took_s, _ = _start_once(folder)
        again_s, memory_mb = _start_once(folder)
        return took_s, again_s, memory_mb


def _start_once(folder: Path) -> tuple[float, float]:
    started_at = time.perf_counter()
    process = start_pipeyard(folder)
    took_s = time.perf_counter() - started_at
    try:
        time.sleep(SETTLE_S)
        return took_s, resident_mb(process.pid)
    finally:
        stop_pipeyard(process, folder / "data", with_pods=False)


def resident_mb(pid: int) -> float:
    """A process with all its descendants, pages that they share counted in each: never too low."""
    kilobytes = 0
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            kilobytes = int(line.split()[1])
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return kilobytes * 1024 / 1e6 + sum(resident_mb(int(child)) for child in children)
