"""Instants as they travel, and which part of a log is wanted."""

from __future__ import annotations

from datetime import datetime

from pipeyard import clock


def log_range(from_datetime: datetime | None, to_datetime: datetime | None, limit: int | None) -> dict[str, int]:
    """As it travels: milliseconds since 1970. Raises ValueError for what is no `datetime`."""
    wanted: dict[str, int] = {}
    if from_datetime is not None:
        wanted["from"] = to_milliseconds(from_datetime)
    if to_datetime is not None:
        wanted["to"] = to_milliseconds(to_datetime)
    if limit is not None:
        wanted["limit"] = limit
    return wanted


def to_milliseconds(instant: datetime) -> int:
    """Since 1970; without a time zone it is local time. Raises ValueError for what is no `datetime`."""
    return clock.to_epoch_ms(_aware(instant))


def to_text(instant: datetime) -> str:
    """As `to_milliseconds`, in the form that answers have."""
    return str(clock.to_wire(_aware(instant)))


def _aware(instant: datetime) -> datetime:
    if not isinstance(instant, datetime):
        raise ValueError(f"an instant must be a datetime.datetime, got {type(instant).__name__}")
    return instant.astimezone()
