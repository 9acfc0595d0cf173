"""Schedules in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import lru_cache

from cron_descriptor import ExpressionDescriptor, Options
from cronsim import CronSim

_PLAIN = re.compile(r"\w+(-\w+)?")
_STEP = re.compile(r"\*/([0-9]+)")
# A step in these always goes on evenly from one hour, day or year to the next, if it divides them.
_EVEN_SIZES = {"minute": 60, "hour": 24, "month": 12}
_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)


@lru_cache(maxsize=4096)
def describe(schedule: str) -> str:
    """`*/2 * * * *` is "Every 2 minutes". The words are those of cron-descriptor where they are true.

    "*/45 * * * *" is no "every 45 minutes", since it starts again with each hour: it is written out as a list. So are
    the days of `*/14`, and whatever else has no exact short form.
    """
    fires = CronSim(schedule, _ANY_DAY)
    minute, hour, day, month, weekday = schedule.split()
    weekdays = {number % 7 for number in fires.weekdays if isinstance(number, int)}
    day_text, weekday_text = _values(day, fires.days, 31), _values(weekday, weekdays, 7)
    if not fires.day_and and "*" in (day_text, weekday_text):  # either is enough, and one is every day
        day_text = weekday_text = "*"
    elif "*" not in (day_text, weekday_text):
        weekday_text = _listed(weekdays)
    expression = " ".join(
        (
            _even(minute, fires.minutes, "minute"),
            _even(hour, fires.hours, "hour") if len(fires.minutes) == 1 else _values(hour, fires.hours, 24),
            day_text,
            _even(month, fires.months, "month"),
            weekday_text,
        )
    )
    words = ExpressionDescriptor(expression, Options(locale_code="en_US")).get_description()
    # Where either field starts with a star, both must match.
    return words.replace(", or on ", ", only on ") if fires.day_and else words


def _even(text: str, values: set[int], name: str) -> str:
    size, step = _EVEN_SIZES[name], _STEP.fullmatch(text)
    if step is not None and size % int(step[1]) == 0 and len(values) > 1:
        return text
    return _values(text, values, size)


def _values(text: str, values: set[int], size: int) -> str:
    if len(values) == size:
        return "*"
    if len(values) == 1:
        return str(*values)
    return text if _PLAIN.fullmatch(text) else _listed(values)


def _listed(values: Iterable[int]) -> str:
    return ",".join(str(value) for value in sorted(values))
