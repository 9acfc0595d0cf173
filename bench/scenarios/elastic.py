"""Elastic: from call to result, minus the function's own time; a fresh pod for every call."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench.figures import Samples
from bench.load import Plan
from bench.pipelines import (
    IMPORTS,
    OWN_TIME,
    REQUIREMENTS,
    TIMED,
    TIMED_WITH_IMPORTS,
    Endpoint,
    create_pipeline,
    deploy,
)
from bench.rounds import Length, figure, send_load, take_turns
from bench.rows import Budget, Row
from bench.servers import Platform
from bench.tally import Round

FIRST_S = 0.01  # one call
MANY = 4  # the pods at once on a machine of up to four cores


def measure_trivial(platform: Platform, length: Length) -> Iterator[Row]:
    """One caller for the overhead, four for the rate."""
    endpoint = deploy(platform, create_pipeline(platform, TIMED), "elastic")
    _round(endpoint, 1, FIRST_S)  # fills caches
    turns = {callers: partial(_round, endpoint, callers, length.elastic_s) for callers in (1, MANY)}
    found = take_turns(length.rounds, {str(callers): turn for callers, turn in turns.items()})
    yield Row("elastic overhead, trivial: p50", "ms", figure(found["1"], "p50_ms"))
    yield Row("elastic overhead, trivial: p99", "ms", figure(found["1"], "p99_ms"))
    rate = figure(found[str(MANY)], "requests_per_s")
    yield Row(f"elastic, trivial, {MANY} callers: rate", "executions/s", rate, budget=Budget(40.0, at_least=True))


def measure_imports(platform: Platform, length: Length) -> Iterator[Row]:
    """In turns with a fresh interpreter of the same image that does the imports and ends."""
    endpoint = deploy(platform, create_pipeline(platform, TIMED_WITH_IMPORTS, requirements=REQUIREMENTS), "elastic")
    python = _image_python(platform)
    _start_interpreter(python, platform.folder)  # its files are in the page cache from here on
    _round(endpoint, 1, FIRST_S)
    executions: list[Round] = []
    interpreters_ms: list[float] = []
    for _ in range(length.rounds):
        executions.append(_round(endpoint, 1, length.imports_s, length.imports_calls))
        starts = [_start_interpreter(python, platform.folder) for _ in range(length.starts)]
        interpreters_ms.append(median(starts))
    overhead, interpreter = figure(executions, "p50_ms"), Samples(tuple(interpreters_ms))
    name = "elastic overhead, scikit-learn and pandas"
    yield Row(f"{name}: p50", "ms", overhead, budget=Budget(50.0))
    yield Row(f"{name}: p99", "ms", figure(executions, "p99_ms"))
    faster = Budget(20.0, at_least=True, of_ratio=True)
    yield Row("the same p50, beside a fresh interpreter", "ms", overhead, interpreter, faster, inverse=True)


def _round(endpoint: Endpoint, callers: int, measured_s: float, at_least_calls: int = 1) -> Round:
    """No warm-up: every execution is a fresh pod, only the caller's connection gets warm."""
    plan = Plan(endpoint.url, callers, 0.0, measured_s, endpoint.headers, "outputs", OWN_TIME, at_least_calls)
    return send_load(plan)


def _image_python(platform: Platform) -> Path:
    """The interpreter of the one image that has the packages."""
    found = sorted(platform.data_dir.glob("images/*/lib/python3*/site-packages/sklearn/__init__.py"))
    if len(found) != 1:
        raise RuntimeError(f"expected one image with scikit-learn, found {len(found)}")
    return found[0].parents[4] / "bin" / "python"


def _start_interpreter(python: Path, folder: Path) -> float:
    """Milliseconds to start it with the imports and end it."""
    started_at = time.perf_counter()
    subprocess.run([str(python), "-c", f"import {IMPORTS}"], cwd=folder, check=True, capture_output=True)
    return 1000 * (time.perf_counter() - started_at)
