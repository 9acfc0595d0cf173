"""A walk through the minutes: fire times of a cron expression, by code that shares nothing with what is tested."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo

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


def walk(expression: str, begin: datetime, end: datetime, zone: tzinfo = timezone.utc) -> Iterator[datetime]:
    """Every fire time in [begin, end), by looking at each minute; `begin` is a whole one.

    The clock of `zone` is read at each. One whose minute and hour do not start with a star fires once where its time
    comes twice, and at the end of the gap where it is left out. No clock changes within a quarter of an hour.
    """
    minute, hour, day, month, weekday = expression.split()
    is_fixed = "*" not in (minute[0], hour[0])
    minutes, hours = _numbers(minute, 0, 59, []), _numbers(hour, 0, 23, [])
    days, months = _numbers(day, 1, 31, []), _numbers(month, 1, 12, _MONTHS)
    weekdays = {number % 7 for number in _numbers(weekday, 0, 7, _DAYS)}

    def is_hour(wall: datetime) -> bool:
        of_month, of_week = wall.day in days, wall.isoweekday() % 7 in weekdays
        is_day = (of_month and of_week) if "*" in (day[0], weekday[0]) else (of_month or of_week)
        return is_day and wall.month in months and wall.hour in hours

    def left_out(before: datetime, wall: datetime) -> bool:
        between = (before + MINUTE * number for number in range(1, (wall - before) // MINUTE))
        return any(is_hour(one) and one.minute in minutes for one in between)

    instant, before = begin, _wall(begin - MINUTE, zone)[0]
    while instant < end:
        wall, is_repeated = _wall(instant, zone)
        matches = is_hour(wall)
        if is_fixed and (is_repeated or wall - before > MINUTE):
            fires = not is_repeated and ((matches and wall.minute in minutes) or left_out(before, wall))
        else:
            fires = matches and wall.minute in minutes
        if fires:
            yield instant
        step = MINUTE if matches else MINUTE * (15 - instant.minute % 15)
        instant, before = instant + step, wall + step - MINUTE


def _wall(instant: datetime, zone: tzinfo) -> tuple[datetime, bool]:
    local = instant if zone is timezone.utc else instant.astimezone(zone)
    return local.replace(tzinfo=None, fold=0), local.fold == 1
