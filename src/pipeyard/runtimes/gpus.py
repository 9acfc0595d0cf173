"""The GPUs of this machine."""

from __future__ import annotations

import pynvml


def count_gpus() -> int:
    """How many NVIDIA GPUs a deployment may request; 0 without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()
