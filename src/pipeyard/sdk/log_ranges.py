"""Instants as they travel, and which part of a log is wanted."""

from __future__ import annotations

from datetime import datetime

from pipeyard import clock
from pipeyard.sdk.arguments import check_limit


def log_range(from_datetime: datetime | None, to_datetime: datetime | None, limit: int | None) -> dict[str, int]:
    """As it travels: milliseconds since 1970. Raises ValueError for what is no `datetime`, or no number."""
    wanted: dict[str, int] = {}
    if from_datetime is not None:
        wanted["from"] = to_milliseconds("from_datetime", from_datetime)
    if to_datetime is not None:
        wanted["to"] = to_milliseconds("to_datetime", to_datetime)
    lines = check_limit(limit)
    if lines is not None:
        wanted["limit"] = lines
    return wanted


def to_milliseconds(name: str, instant: datetime) -> int:
    """Since 1970; without a time zone it is local time. Raises ValueError for what is no `datetime`."""
    return clock.to_epoch_ms(_aware(name, instant))


def to_text(name: str, instant: datetime) -> str:
    """As `to_milliseconds`, in the form that answers have."""
    return str(clock.to_wire(_aware(name, instant)))


def _aware(name: str, instant: datetime) -> datetime:
    if not isinstance(instant, datetime):
        raise ValueError(f"'{name}' must be a datetime.datetime, got {type(instant).__name__}")
    return instant.astimezone()
