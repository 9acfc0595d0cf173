"""Code change to serving: create_pipeline, create_deployment, first call; the packages are cached."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import httpx

from bench.figures import Samples
from bench.pipelines import REQUIREMENTS, TIMED_WITH_IMPORTS, TRIVIAL, create_pipeline, deploy
from bench.rounds import Length, take_turns
from bench.rows import Budget, Row
from bench.servers import Platform

BUDGET = Budget(1.5)


def measure(platform: Platform, length: Length) -> Iterator[Row]:
    """With no packages, and with two heavy ones that an earlier pipeline brought."""
    sides: dict[str, Callable[[], float]] = {
        "no packages": partial(_serve, platform, TRIVIAL, None),
        "scikit-learn and pandas": partial(_serve, platform, TIMED_WITH_IMPORTS, REQUIREMENTS),
    }
    for serve in sides.values():
        serve()  # the packages are cached from here on
    for name, found_s in take_turns(length.rounds, sides).items():
        yield Row(f"code change to serving, {name}", "s", Samples(tuple(found_s)), budget=BUDGET)


def _serve(platform: Platform, source: str, requirements: str | None) -> float:
    """Seconds from a new code to its first answer. The deployment is deleted afterwards: its pod takes memory."""
    changed = f"# {time.time_ns()}\n{_dedented(source)}"
    started_at = time.perf_counter()
    name = create_pipeline(platform, changed, requirements=requirements)
    endpoint = deploy(platform, name, "low_latency")
    answer = httpx.post(endpoint.url, json={"x": 1}, headers=dict(endpoint.headers), timeout=60)
    took_s = time.perf_counter() - started_at
    if answer.status_code != 200 or answer.json()["outputs"]["y"] != 1:
        raise RuntimeError(f"the first call failed: {answer.status_code} {answer.text[:300]}")
    platform.sdk.delete_pipeline(name, force_deployments_deletion=True)
    return took_s


def _dedented(source: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in source.splitlines())
