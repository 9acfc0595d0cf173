"""The clock: many deployments due in the same minute, and many that are not due at all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from craft_ai_sdk import InputSource, OutputDestination

from bench.figures import Samples, percentile
from bench.pipelines import TRIVIAL, create_pipeline
from bench.rounds import Length, take_turns
from bench.rows import Budget, Row
from bench.servers import pipeyard, scratch_folder

DUE = 5000
TIMEOUT_S = 300.0


def measure_due(length: Length) -> Iterator[Row]:
    """Each round has a platform of its own, and its pod."""
    found = take_turns(length.fire_rounds, {"due": partial(_fire, DUE)})["due"]
    name = f"{DUE} deployments due at once"
    for share in (0.5, 0.99):
        budget = Budget(250.0) if share == 0.99 else None
        yield Row(
            f"{name}, in their lane: p{share * 100:.0f}", "ms", _figure(found, "dispatched_ms", share), None, budget
        )
    for share in (0.5, 0.99):
        yield Row(f"{name}, started by one pod: p{share * 100:.0f}", "ms", _figure(found, "started_ms", share))


def _figure(found: list[dict[str, list[float]]], name: str, share: float) -> Samples:
    return Samples(tuple(percentile(one[name], share) for one in found))


def _fire(count: int) -> dict[str, list[float]]:
    """How late each was given to its lane, its tick and execution committed, and how late each started in the pod."""
    with scratch_folder() as folder, pipeyard(folder, leaves_pods=True) as platform:
        pipeline = create_pipeline(platform, TRIVIAL)
        platform.sdk.create_deployment(
            pipeline,
            "first",
            "periodic",
            "low_latency",
            schedule="0 0 1 1 *",
            inputs_mapping=[InputSource("x", constant_value=1)],
            outputs_mapping=[OutputDestination("y", is_null=True)],
        )
