"""Code change to serving: by the client and by `pipeyard deploy`, to the first answer; the packages are cached."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx

from bench.figures import Samples
from bench.pipelines import REQUIREMENTS, TIMED_WITH_IMPORTS, TRIVIAL, create_pipeline, deploy
from bench.rounds import Length, take_turns
from bench.rows import Budget, Row
from bench.servers import PIPEYARD, ROOT, Platform

BUDGET = Budget(1.5)
EXAMPLE = ROOT / "examples" / "digits"
ANSWER = "  digits = [0]\n"  # of the image in example.json


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
    yield from _measure_deploy(platform, length)


def _measure_deploy(platform: Platform, length: Length) -> Iterator[Row]:
    """A folder under a new name; then with other code, which takes the place of the first."""
    folder = platform.folder / "digits"
    shutil.copytree(EXAMPLE, folder)
    _deploy(platform, folder, "digits")  # the packages are cached from here on
    first_s, again_s = [], []
    for number in range(length.rounds):
        name = f"digits-{number}"
        first_s.append(_deploy(platform, folder, name))
        again_s.append(_deploy(platform, folder, name))
        pipeyard = [str(PIPEYARD), "deployment", "delete", name, "--with-pipelines"]
        subprocess.run(pipeyard, env=platform.client_environment, check=True, capture_output=True, timeout=60)
    yield Row("pipeyard deploy examples/digits to its first answer", "s", Samples(tuple(first_s)), budget=BUDGET)
    yield Row("the same in place of what was there", "s", Samples(tuple(again_s)), budget=BUDGET)


def _deploy(platform: Platform, folder: Path, name: str) -> float:
    """Seconds from the start of the command, with new code, to the answer of the first call."""
    with (folder / "predict.py").open("a") as file:
        file.write(f"# {time.time_ns()}\n")
    command = [str(PIPEYARD), "deploy", str(folder), "--name", name]
    started_at = time.perf_counter()
    with subprocess.Popen(
        command, env=platform.client_environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line == ANSWER:
                took_s = time.perf_counter() - started_at
    if process.returncode or ANSWER not in seen:
        raise RuntimeError(f"the deploy failed: {''.join(seen)[-300:]}")
    return took_s


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
