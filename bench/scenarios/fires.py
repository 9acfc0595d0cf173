"""The clock: many deployments that are due at once, and many that are not due at all."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from craft_ai_sdk import InputSource, OutputDestination

from bench.figures import Samples, percentile
from bench.pipelines import TRIVIAL, create_pipeline
from bench.rounds import Length, take_turns
from bench.rows import Budget, Row
from bench.scenarios.footprint import SETTLE_S, resident_mb
from bench.servers import ROOT, pipeyard, scratch_folder, start_pipeyard, stop_pipeyard

DUE, IDLE = 5000, 100_000
TIMEOUT_S = 300.0


def measure_due(length: Length) -> Iterator[Row]:
    """Each round has a platform of its own, with one pod for all."""
    found = take_turns(length.fire_rounds, {"due": partial(_fire, DUE)})["due"]
    for what, name, budget in (
        ("durable and in the lane", "dispatched_ms", Budget(250.0)),
        ("started by their one pod", "started_ms", None),
    ):
        for share in (0.5, 0.99):
            late = Samples(tuple(percentile(one[name], share) for one in found))
            limit = budget if share == 0.99 else None
            yield Row(f"{DUE:,} deployments due at once, {what}: p{100 * share:.0f}", "ms", late, budget=limit)


def _fire(count: int) -> dict[str, list[float]]:
    """See `bench.fires`."""
    with _one_deployment("low_latency") as data_dir:
        command = [sys.executable, "-m", "bench.fires", str(data_dir), str(count)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"bench.fires failed: {done.stderr[-2000:]}")
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_idle(length: Length) -> Iterator[Row]:
    """In turns with a server that has one deployment."""
    sides = {"many": partial(_idle, IDLE, length.idle_s), "one": partial(_idle, 1, length.idle_s)}
    found = take_turns(length.fire_rounds, sides)
    for index, (what, unit) in enumerate((("processor time", "ms/s"), ("resident memory", "MB"))):
        many, one = (Samples(tuple(value[index] for value in found[side])) for side in ("many", "one"))
        yield Row(f"{IDLE:,} deployments that are not due, beside one: {what}", unit, many, one)


def _idle(count: int, idle_s: float) -> tuple[float, float]:
    """Milliseconds of processor time per second, and megabytes."""
    with _one_deployment("elastic") as data_dir:
        _copy(data_dir / "pipeyard.db", count - 1)
        process = start_pipeyard(data_dir.parent)
        try:
            time.sleep(SETTLE_S)
            began_s, began_at = _cpu_s(process.pid), time.monotonic()
            time.sleep(idle_s)
            used_s = _cpu_s(process.pid) - began_s
            return 1000 * used_s / (time.monotonic() - began_at), resident_mb(process.pid)
        finally:
            stop_pipeyard(process, data_dir, with_pods=False)


@contextmanager
def _one_deployment(mode: str) -> Iterator[Path]:
    """The data folder of a server that has ended, with a periodic deployment that is due at the turn of the year."""
    with scratch_folder() as folder, pipeyard(folder) as platform:
        platform.sdk.create_deployment(
            create_pipeline(platform, TRIVIAL),
            "first",
            "periodic",
            mode,
            schedule="0 0 1 1 *",
            inputs_mapping=[InputSource("x", constant_value=1)],
            outputs_mapping=[OutputDestination("y", is_null=True)],
        )
        platform.process.send_signal(signal.SIGTERM)  # its pod stays
        platform.process.wait(30)
        yield platform.data_dir


def _copy(path: Path, count: int) -> None:
    """Copies of the one deployment, all in one transaction."""
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(deployments)")]
        changed = {"id": "'copy-' || number", "name": "'copy-' || number", "next_fire_at": "next_fire_at + number"}
        changed["wake_at"] = changed["next_fire_at"]
        chosen = ", ".join(changed.get(column, column) for column in columns)
        connection.execute(
            "WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "
            f"INSERT INTO deployments SELECT {chosen} FROM deployments, numbers WHERE ? > 0",
            (count, count),
        )


def _cpu_s(pid: int) -> float:
    """User and system time of the process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
