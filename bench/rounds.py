"""Rounds: what is compared takes turns, so that a noisy machine is fair to all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from bench.figures import Samples
from bench.load import ANSWER_TIMEOUT_S, Plan
from bench.servers import ROOT
from bench.tally import Round

Found = TypeVar("Found")


@dataclass(frozen=True)
class Length:
    """How long everything takes."""

    rounds: int
    warm_up_s: float
    load_s: float  # of a low latency round
    elastic_s: float  # of a round of elastic executions
    imports_s: float  # of a round of elastic executions with heavy imports
    imports_calls: int  # and at least so many
    fire_rounds: int  # each with a platform of its own
    idle_s: float  # of a server that has nothing to do
    starts: int  # of an interpreter, of `pipeyard --help`, in each round


FULL = Length(
    rounds=5,
    warm_up_s=1.0,
    load_s=5.0,
    elastic_s=4.0,
    imports_s=8.0,
    imports_calls=4,
    fire_rounds=3,
    idle_s=10.0,
    starts=3,
)
QUICK = Length(
    rounds=3,
    warm_up_s=0.4,
    load_s=1.2,
    elastic_s=1.0,
    imports_s=1.0,
    imports_calls=2,
    fire_rounds=1,
    idle_s=5.0,
    starts=1,
)


def take_turns(rounds: int, sides: Mapping[str, Callable[[], Found]]) -> dict[str, list[Found]]:
    """A B A B ...: every side once in each round."""
    found: dict[str, list[Found]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            found[name].append(measure())
    return found


def send_load(plan: Plan) -> Round:
    """One round of the load generator. Raises RuntimeError when it measured nothing or an answer was wrong."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        limit_s = plan.warm_up_s + plan.measured_s + 2 * ANSWER_TIMEOUT_S
        out, complaint = process.communicate(json.dumps(asdict(plan)), timeout=limit_s)
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"the load generator failed: {complaint.strip().rpartition(chr(10))[2]}")
    result = Round(**json.loads(out))
    if result.errors:
        raise RuntimeError(f"{result.errors} calls of {plan.url} failed, the first with: {result.first_error}")
    return result


def figure(rounds: list[Round], name: str) -> Samples:
    """One figure of several rounds."""
    return Samples(tuple(getattr(found, name) for found in rounds))
