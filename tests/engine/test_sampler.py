"""The machine and the pods are sampled for as long as the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest

from pipeyard import clock
from pipeyard.domain.pods import PodRef
from pipeyard.domain.samples import MachineReading, PodUsage, Samples
from pipeyard.engine.sampler import Sampler
from pipeyard.engine.workshop import Workshop
from pipeyard.settings import Settings

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
POD = PodRef("pod", 1, 2, "boot", "d", None)
GONE = PodRef("gone", 3, 4, "boot", "d", None)


class TheEnd(BaseException):
    """Ends the loop, which no error does."""


@dataclass
class Machine:
    """A machine that does the same between any two readings, its one pod, its store, and the time there."""

    rounds: int
    troubles: set[int] = field(default_factory=set)  # rounds in which nothing can be stored
    passed_s: float = 0.0
    attended: set[PodRef] = field(default_factory=lambda: {POD, GONE})
    stored: list[tuple[Samples, datetime]] = field(default_factory=list)

    # The parts of a workshop.
    @property
    def runtime(self) -> Machine:
        return self

    @property
    def store(self) -> Machine:
        return self

    async def usage(self, refs: Sequence[PodRef]) -> dict[PodRef, PodUsage]:
        assert set(refs) == self.attended
        return {POD: PodUsage(100.0 + self.passed_s, 20.0 + self.passed_s / 2, 1 << 20, 2)}

    async def add_samples(self, samples: Samples, oldest_at: datetime) -> None:
        if round(self.passed_s / 10) in self.troubles:
            raise OSError("the disk is full")
        self.stored.append((samples, oldest_at))

    def read(self) -> MachineReading:
        """The gauge."""
        return MachineReading(self.passed_s / 4, self.passed_s, 40.0, 50.0, int(self.passed_s * 7), 0)

    async def pause(self, seconds: float) -> None:
        assert seconds == 10.0
        self.passed_s += seconds
        self.rounds -= 1
        if not self.rounds:
            raise TheEnd


async def run(machine: Machine, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[tuple[Samples, datetime]]:
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(seconds=machine.passed_s))
    monkeypatch.setattr(clock, "monotonic_s", lambda: machine.passed_s)
    sampler = Sampler(cast(Workshop, machine), cast(Any, machine), replace(Settings(), **settings), machine.pause)
    with pytest.raises(TheEnd):
        await sampler.run()
    return machine.stored


async def test_every_reading_but_the_first_is_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = await run(Machine(rounds=4), monkeypatch)
    assert [samples.at for samples, _ in stored] == [NOON + timedelta(seconds=s) for s in (10, 20, 30)]
    for samples, _ in stored:
        (machine,) = samples.machine
        assert (machine.cpu_usage, machine.ram_usage, machine.network_input_usage) == (25.0, 40.0, 70)
        assert {ref.pod_id: pod.cpu_usage for ref, pod in samples.pods.items()} == {"pod": 50.0}


async def test_only_so_many_days_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = await run(Machine(rounds=2), monkeypatch, resource_keep_days=3)
    assert [oldest_at for _, oldest_at in stored] == [NOON + timedelta(seconds=10) - timedelta(days=3)]


async def test_a_sample_that_cannot_be_stored_is_tried_again_and_its_traffic_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored = await run(Machine(rounds=4, troubles={2}), monkeypatch)
    traffic = [samples.machine[0].network_input_usage for samples, _ in stored]
    assert traffic == [70, 140]
    assert "the disk is full" in caplog.text


async def test_a_server_that_ends_ends_its_sampler() -> None:
    machine = Machine(rounds=1000)
    sampler = Sampler(cast(Workshop, machine), cast(Any, machine), Settings())
    running = asyncio.ensure_future(sampler.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
