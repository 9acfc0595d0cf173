"""What the machine and its pods are doing: readings of their counters, and the samples that two readings give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeyard.domain.pods import PodRef

POINTS_MAX = 500  # of one series: as many as a screen shows apart
PODS_MAX = 50  # of one answer


@dataclass(frozen=True)
class GpuReading:
    """One GPU now, in percent. `usage` is None where the driver does not tell, as for one that is partitioned."""

    number: int
    usage: float | None
    vram_usage: float


@dataclass(frozen=True)
class MachineReading:
    """Counters since the machine was started, and usage now, in percent."""

    cpu_busy_s: float  # over all cores, as the total
    cpu_total_s: float
    ram_usage: float
    disk_usage: float
    received_bytes: int
    sent_bytes: int
    gpus: tuple[GpuReading, ...] = ()


@dataclass(frozen=True)
class Capacity:
    """What there is to use, in bytes. `vram` is that of all GPUs together, None without one."""

    ram: int
    disk: int
    vram: int | None


@dataclass(frozen=True)
class PodUsage:
    """All processes of a pod: processor time since its start, memory now (what is shared is divided)."""

    running_s: float
    cpu_s: float
    memory_bytes: int
    processes: int


@dataclass(frozen=True)
class Reading:
    """Everything at one moment. `clock_s` never jumps, for the time between two readings."""

    at: datetime
    clock_s: float
    machine: MachineReading
    pods: Mapping[PodRef, PodUsage]


@dataclass(frozen=True)
class MachineSample:
    """Usage in percent, traffic in bytes since the sample before. What a worker does not measure is None."""

    at: datetime
    worker: str
    cpu_usage: float | None = None
    ram_usage: float | None = None
    disk_usage: float | None = None
    network_input_usage: int | None = None
    network_output_usage: int | None = None
    gpu_usage: float | None = None
    vram_usage: float | None = None


@dataclass(frozen=True)
class PodSample:
    """`cpu_usage` in percent of one core."""

    at: datetime
    cpu_usage: float
    memory_bytes: int
    processes: int


@dataclass(frozen=True)
class Samples:
    """What is stored at one moment."""

    at: datetime
    machine: Sequence[MachineSample]
    pods: Mapping[PodRef, PodSample]


@dataclass(frozen=True)
class Span:
    """A time, `start` included and `end` not, in steps that each give one point of a series."""

    start: datetime
    end: datetime
    step: timedelta


@dataclass(frozen=True)
class PodSeries:
    """The samples of one pod."""

    pod_id: str
    deployment_name: str | None  # None: the pod of a run
    execution_id: str | None  # None: a pod of many executions
    samples: Sequence[PodSample]


@dataclass(frozen=True)
class PodPage:
    """The pods that were seen last, at most `PODS_MAX`, and how many there were."""

    pods: Sequence[PodSeries]
    total_count: int


def in_steps(start: datetime, end: datetime, every_s: float) -> Span:
    """As fine as it was sampled, but not in more than `POINTS_MAX` steps."""
    return Span(start, end, max(timedelta(seconds=every_s), (end - start) / POINTS_MAX))


def make_samples(worker: str, before: Reading, now: Reading) -> Samples:
    """What happened between two readings. Each GPU is a worker of its own."""
    machine = _machine_sample(worker, before.machine, now)
    gpus = [
        MachineSample(now.at, f"{worker}-gpu{gpu.number}", gpu_usage=gpu.usage, vram_usage=gpu.vram_usage)
        for gpu in now.machine.gpus
    ]
    elapsed_s = now.clock_s - before.clock_s
    pods = {ref: _pod_sample(now.at, before.pods.get(ref), usage, elapsed_s) for ref, usage in now.pods.items()}
    return Samples(now.at, (machine, *gpus), pods)


def _machine_sample(worker: str, before: MachineReading, now: Reading) -> MachineSample:
    machine = now.machine
    return MachineSample(
        at=now.at,
        worker=worker,
        cpu_usage=_percent(machine.cpu_busy_s - before.cpu_busy_s, machine.cpu_total_s - before.cpu_total_s),
        ram_usage=machine.ram_usage,
        disk_usage=machine.disk_usage,
        # A network interface that was taken away takes its counters along.
        network_input_usage=max(0, machine.received_bytes - before.received_bytes),
        network_output_usage=max(0, machine.sent_bytes - before.sent_bytes),
    )


def _pod_sample(at: datetime, before: PodUsage | None, now: PodUsage, elapsed_s: float) -> PodSample:
    # One that is seen for the first time: over its whole life.
    used_s, over_s = (now.cpu_s, now.running_s) if before is None else (now.cpu_s - before.cpu_s, elapsed_s)
    return PodSample(at, max(0.0, _percent(used_s, over_s)), now.memory_bytes, now.processes)


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole > 0 else 0.0
