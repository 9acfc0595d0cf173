"""A walk through the minutes: fire times of a cron expression, by code that shares nothing with what is tested."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
_MONTHS = ["", *["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def _numbers(text: str, least: int, most: int, names: list[str]) -> set[int]:
    found: set[int] = set()
    for item in text.upper().split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        ends = [names.index(end) if end in names else int(end) for end in (first, last) if end.isalnum()]
        low, high = (least, most) if span == "*" else (ends[0], ends[-1] if last or not step else most)
        found.update(range(low, high + 1, int(step or 1)))
    return found


def walk(expression: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Every fire time in [begin, end), by looking at each minute."""
    minute, hour, day, month, weekday = expression.split()
    minutes, hours = _numbers(minute, 0, 59, []), _numbers(hour, 0, 23, [])
    days, months = _numbers(day, 1, 31, []), _numbers(month, 1, 12, _MONTHS)
    weekdays = {number % 7 for number in _numbers(weekday, 0, 7, _DAYS)}
    instant = begin
    while instant < end:
        of_month, of_week = instant.day in days, instant.isoweekday() % 7 in weekdays
        is_day = (of_month and of_week) if "*" in (day[0], weekday[0]) else (of_month or of_week)
        if not is_day or instant.month not in months or instant.hour not in hours:
            instant += timedelta(hours=1) - MINUTE * instant.minute
            continue
        if instant.minute in minutes:
            yield instant
        instant += MINUTE
