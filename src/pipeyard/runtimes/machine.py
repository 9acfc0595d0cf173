"""How busy this machine is."""

from __future__ import annotations

from pathlib import Path

import psutil

from pipeyard.domain.samples import Capacity, MachineReading
from pipeyard.runtimes.gpus import Gpus

_LOOPBACK = "lo"


class MachineGauge:
    """Implements `ports.Gauge`. The disk is the one that has the folder."""

    def __init__(self, folder: Path, gpus: Gpus) -> None:
        self._folder = str(folder)
        self._gpus = gpus

    def read(self) -> MachineReading:
        """What it is doing now."""
        times = psutil.cpu_times()
        # The time of virtual machines is counted twice: as guest and as user.
        total_s = sum(times) - times.guest - times.guest_nice
        traffic = [counters for name, counters in psutil.net_io_counters(pernic=True).items() if name != _LOOPBACK]
        return MachineReading(
            cpu_busy_s=total_s - times.idle - times.iowait,
            cpu_total_s=total_s,
            ram_usage=psutil.virtual_memory().percent,
            disk_usage=psutil.disk_usage(self._folder).percent,
            received_bytes=sum(counters.bytes_recv for counters in traffic),
            sent_bytes=sum(counters.bytes_sent for counters in traffic),
            gpus=self._gpus.read(),
        )

    def capacity(self) -> Capacity:
        """What it has."""
        disk = psutil.disk_usage(self._folder).total
        return Capacity(ram=psutil.virtual_memory().total, disk=disk, vram=self._gpus.total_vram_bytes)
