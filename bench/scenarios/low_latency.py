"""Low latency, trivial function, one pod in queue mode, every call durable; beside LitServe with one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from bench.figures import Samples, ratio
from bench.load import Plan
from bench.pipelines import TRIVIAL, Endpoint, create_pipeline, deploy
from bench.rounds import Length, figure, send_load, take_turns
from bench.rows import Budget, Row
from bench.servers import Platform, litserve
from bench.tally import Round

MANY = 32


def measure(platform: Platform, length: Length) -> Iterator[Row]:
    """Ours and LitServe in turns, with 1 and with 32 callers."""
    endpoint = deploy(platform, create_pipeline(platform, TRIVIAL), "low_latency")
    with litserve(platform.folder) as url:
        peer = Endpoint(url, {})
        sides: dict[str, Callable[[], Round]] = {}
        for callers in (1, MANY):
            sides[f"ours {callers}"] = partial(_round, endpoint, callers, length, "outputs")
            sides[f"peer {callers}"] = partial(_round, peer, callers, length, None)
        found = take_turns(length.rounds, sides)
    yield from _rows(found)


def _round(endpoint: Endpoint, callers: int, length: Length, outputs_at: str | None) -> Round:
    plan = Plan(endpoint.url, callers, length.warm_up_s, length.load_s, endpoint.headers, outputs_at)
    return send_load(plan)


def _rows(found: dict[str, list[Round]]) -> Iterator[Row]:
    faster = Budget(3.0, at_least=True, of_ratio=True)
    no_slower = Budget(1.0, of_ratio=True)
    for callers in (MANY, 1):
        ours, peer = found[f"ours {callers}"], found[f"peer {callers}"]
        name = f"low latency, {callers} caller{'s' if callers > 1 else ''}"
        rate = faster if callers == MANY else None
        yield Row(f"{name}: rate", "requests/s", figure(ours, "requests_per_s"), figure(peer, "requests_per_s"), rate)
        for share in ("p50", "p90", "p99"):
            budget = no_slower if callers == 1 and share == "p50" else None
            latency, beside = (figure(side, f"{share}_ms") for side in (ours, peer))
            yield Row(f"{name}: {share}", "ms", latency, beside, budget)
        if callers == 1:
            tails: list[Samples] = [ratio(figure(side, "p99_ms"), figure(side, "p50_ms")) for side in (ours, peer)]
            yield Row(f"{name}: p99 / p50", "x", tails[0], tails[1], Budget(10.0, note="on a quiet machine"))
    cpu = [figure(found[f"{side} {MANY}"], "generator_cpu_share") for side in ("ours", "peer")]
    yield Row(f"load generator, {MANY} callers", "cores", cpu[0], cpu[1])
