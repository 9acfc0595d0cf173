"""Time, as a pod counts it."""

from __future__ import annotations

import time


def epoch_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that never jump, for durations."""
    return time.monotonic()
