"""Samples are what happened between two readings."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from pipeyard.domain.pods import PodRef
from pipeyard.domain.samples import (
    POINTS_MAX,
    GpuReading,
    MachineReading,
    MachineSample,
    PodUsage,
    Reading,
    in_steps,
    make_samples,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
IDLE = MachineReading(100.0, 1000.0, 40.0, 50.0, received_bytes=500, sent_bytes=700)
POD = PodRef("pod", 1, 2, "boot", "d", None)


def reading(after_s: float, machine: MachineReading = IDLE, pod: PodUsage | None = None) -> Reading:
    pods = {} if pod is None else {POD: pod}
    return Reading(NOON + timedelta(seconds=after_s), 5.0 + after_s, machine, pods)


def test_usage_of_the_processors_is_what_was_busy_of_what_there_was() -> None:
    busy = replace(IDLE, cpu_busy_s=115.0, cpu_total_s=1020.0, received_bytes=600, sent_bytes=701)
    samples = make_samples("host", reading(0), reading(10, busy))
    assert samples.machine == (MachineSample(NOON + timedelta(seconds=10), "host", 75.0, 40.0, 50.0, 100, 1),)
    assert samples.pods == {}


def test_each_gpu_is_a_worker_of_its_own() -> None:
    machine = replace(IDLE, cpu_total_s=2000.0, gpus=(GpuReading(0, 10.0, 20.0), GpuReading(1, None, 30.0)))
    _, first, second = make_samples("host", reading(0), reading(10, machine)).machine
    assert (first.worker, first.gpu_usage, first.vram_usage, first.cpu_usage) == ("host-gpu0", 10.0, 20.0, None)
    assert (second.worker, second.gpu_usage, second.vram_usage) == ("host-gpu1", None, 30.0)


def test_counters_that_go_back_or_stand_still_are_no_usage() -> None:
    back = replace(IDLE, received_bytes=0, sent_bytes=0)
    (sample,) = make_samples("host", reading(0), reading(0, back)).machine
    assert (sample.cpu_usage, sample.network_input_usage, sample.network_output_usage) == (0.0, 0, 0)


@pytest.mark.parametrize(
    ("before", "cpu_usage"),
    [
        (PodUsage(60.0, 4.0, 1, 1), 150.0),  # 15 s of processor time in 10 s: one and a half cores
        (PodUsage(60.0, 20.0, 1, 1), 0.0),  # a process took its time with it
        (None, 25.0),  # seen for the first time: 19 s in its 76 s
    ],
)
def test_a_pod_uses_percent_of_one_core(before: PodUsage | None, cpu_usage: float) -> None:
    now = reading(10, pod=PodUsage(76.0, 19.0, 4096, 3))
    (sample,) = make_samples("host", reading(0, pod=before), now).pods.values()
    assert (sample.cpu_usage, sample.memory_bytes, sample.processes) == (cpu_usage, 4096, 3)


@pytest.mark.parametrize(("hours", "step_s"), [(1, 10.0), (24 * 14, 24 * 14 * 3600 / POINTS_MAX)])
def test_a_long_time_has_as_few_points_as_a_short_one(hours: float, step_s: float) -> None:
    span = in_steps(NOON, NOON + timedelta(hours=hours), 10.0)
    assert span.step == timedelta(seconds=step_s)
    assert (span.end - span.start) / span.step <= POINTS_MAX
