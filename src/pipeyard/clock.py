"""The only door to time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


def now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(timezone.utc)


def monotonic_s() -> float:
    """Seconds that never jump, for durations."""
    return time.monotonic()


def to_wire(instant: datetime | None) -> str | None:
    """`2026-11-22T10:00:00.000Z`; None stays None."""
    if instant is None:
        return None
    return instant.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_epoch_ms(milliseconds: int) -> datetime:
    """The instant that many milliseconds after 1970, aware, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def to_epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970, rounded down as `to_wire` does."""
    return (instant - _EPOCH) // _MILLISECOND


def maybe_instant(milliseconds: int | None) -> datetime | None:
    """As `from_epoch_ms`; None stays None."""
    return None if milliseconds is None else from_epoch_ms(milliseconds)


def maybe_epoch_ms(instant: datetime | None) -> int | None:
    """As `to_epoch_ms`; None stays None."""
    return None if instant is None else to_epoch_ms(instant)
