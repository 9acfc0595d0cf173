"""The GPUs of this machine."""

from __future__ import annotations

from typing import Any

import pynvml

from pipeyard.domain.samples import GpuReading


class Gpus:
    """NVIDIA GPUs, through NVML; none without a driver. Kept open: to open them anew can take a second."""

    def __init__(self, nvml: Any = pynvml) -> None:
        """`nvml`: the module `pynvml`."""
        self._nvml = nvml
        self._handles: list[Any] = []
        self.total_vram_bytes: int | None = None
        self.devices: dict[str, str] = {}  # the device file of each, by the id that it has for ever
        try:
            nvml.nvmlInit()
            self._handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
            self.devices = {nvml.nvmlDeviceGetUUID(handle): self._device(handle) for handle in self._handles}
            if self._handles:
                self.total_vram_bytes = sum(nvml.nvmlDeviceGetMemoryInfo(handle).total for handle in self._handles)
        except nvml.NVMLError:
            self._handles, self.devices = [], {}

    def _device(self, handle: Any) -> str:
        return f"/dev/nvidia{self._nvml.nvmlDeviceGetMinorNumber(handle)}"

    @property
    def ids(self) -> tuple[str, ...]:
        """Those that a deployment may request."""
        return tuple(self.devices)

    def read(self) -> tuple[GpuReading, ...]:
        """How busy each one is. One that does not answer is left out."""
        readings = []
        for number, handle in enumerate(self._handles):
            try:
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
            except self._nvml.NVMLError:  # it is being reset, or has fallen off the bus
                continue
            readings.append(GpuReading(number, self._usage(handle), round(100 * memory.used / memory.total, 2)))
        return tuple(readings)

    def _usage(self, handle: Any) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        except self._nvml.NVMLError:  # a GPU in partitions (MIG) has no usage as a whole
            return None
