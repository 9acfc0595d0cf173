"""What the sampler may expect of a gauge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from pipeyard.domain.samples import GpuReading
from pipeyard.runtimes.gpus import Gpus
from pipeyard.runtimes.machine import MachineGauge

GIB = 1 << 30


class GpuError(Exception):
    """What NVML raises."""


@dataclass
class Driver:
    """A driver of GPUs, some of which do not answer; `nvml` stands in for the module `pynvml`."""

    gpus: int
    is_there: bool = True
    partitioned: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()

    @property
    def nvml(self) -> Any:
        return SimpleNamespace(
            NVMLError=GpuError,
            nvmlInit=self._init,
            nvmlDeviceGetCount=lambda: self.gpus,
            nvmlDeviceGetHandleByIndex=lambda number: number,
            nvmlDeviceGetUUID=lambda number: f"GPU-{number}",
            nvmlDeviceGetMinorNumber=lambda number: number + 4,
            nvmlDeviceGetMemoryInfo=self._memory,
            nvmlDeviceGetUtilizationRates=self._utilization,
        )

    def _init(self) -> None:
        if not self.is_there:
            raise GpuError("library not found")

    def _memory(self, number: int) -> Any:
        if number in self.lost:
            raise GpuError("GPU is lost")
        return SimpleNamespace(total=80 * GIB, used=20 * GIB * (number + 1))

    def _utilization(self, number: int) -> Any:
        if number in self.partitioned:
            raise GpuError("not supported")
        return SimpleNamespace(gpu=60 + number, memory=5)


def gauge(folder: Path, gpus: int = 0) -> MachineGauge:
    return MachineGauge(folder, Gpus(Driver(gpus).nvml))


def test_a_reading_is_of_this_machine(tmp_path: Path) -> None:
    first = gauge(tmp_path).read()
    second = gauge(tmp_path).read()
    for reading in (first, second):
        assert 0 < reading.ram_usage < 100
        assert 0 <= reading.disk_usage <= 100
        assert 0 < reading.cpu_busy_s < reading.cpu_total_s
    assert second.cpu_total_s >= first.cpu_total_s
    assert second.received_bytes >= first.received_bytes
    assert first.gpus == ()


def test_the_time_of_all_cores_is_counted(tmp_path: Path) -> None:
    per_core = psutil.cpu_times(percpu=True)
    total_s = sum(core.user + core.system + core.idle for core in per_core)
    assert gauge(tmp_path).read().cpu_total_s >= total_s * 0.99


def test_the_traffic_of_the_machine_with_itself_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interfaces = {
        name: SimpleNamespace(bytes_recv=received, bytes_sent=sent)
        for name, received, sent in (("lo", 5000, 5000), ("eth0", 30, 4), ("wlan0", 12, 1))
    }
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: interfaces)
    reading = gauge(tmp_path).read()
    assert (reading.received_bytes, reading.sent_bytes) == (42, 5)


def test_capacity_is_in_bytes(tmp_path: Path) -> None:
    capacity = gauge(tmp_path).capacity()
    assert capacity.ram == psutil.virtual_memory().total
    assert capacity.disk == psutil.disk_usage(str(tmp_path)).total
    assert capacity.vram is None


def test_each_gpu_is_read(tmp_path: Path) -> None:
    reading = gauge(tmp_path, 2).read()
    assert reading.gpus == (GpuReading(0, 60.0, 25.0), GpuReading(1, 61.0, 50.0))
    assert gauge(tmp_path, 2).capacity().vram == 160 * GIB


def test_a_gpu_in_partitions_has_memory_alone_and_one_that_is_lost_nothing() -> None:
    driver = Driver(3)
    gpus = Gpus(driver.nvml)
    driver.partitioned, driver.lost = frozenset({0}), frozenset({1})
    assert gpus.read() == (GpuReading(0, None, 25.0), GpuReading(2, 62.0, 75.0))
    assert gpus.ids == ("GPU-0", "GPU-1", "GPU-2")


def test_a_gpu_has_an_id_for_ever_and_a_device_file() -> None:
    assert Gpus(Driver(2).nvml).devices == {"GPU-0": "/dev/nvidia4", "GPU-1": "/dev/nvidia5"}


@pytest.mark.parametrize("driver", [Driver(0), Driver(2, is_there=False)], ids=["no GPU", "no driver"])
def test_without_a_gpu_or_a_driver_there_is_none(driver: Driver) -> None:
    gpus = Gpus(driver.nvml)
    assert (gpus.ids, gpus.devices, gpus.read(), gpus.total_vram_bytes) == ((), {}, (), None)
