"""Schedules: five cron fields and a time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from pipeyard.domain.fire_times import fires_backwards, next_fire
from pipeyard.domain.names import check_text, shown
from pipeyard.errors import InvalidInputError

LENGTH_LIMIT = 500
REMEMBERED = 10_000  # fire times of schedules: most minutes have few different ones
EXAMPLE = '"0 14 * * *" is every day at 14:00 UTC'
UTC = "UTC"

_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class CronField:
    """One of the five: what a value may be, and how many of them there are."""

    name: str
    values: str
    size: int
    item: re.Pattern[str]


def _field(name: str, values: str, size: int, value: str = r"[0-9]{1,2}") -> CronField:
    return CronField(name, values, size, re.compile(rf"(?:\*|{value}(?:-{value})?)(?:/([0-9]{{1,3}}))?"))


FIELDS = (
    _field("minute", "0 to 59", 60),
    _field("hour", "0 to 23", 24),
    _field("day of month", "1 to 31", 31),
    _field("month", "1 to 12, or JAN to DEC", 12, r"(?:[0-9]{1,2}|[A-Za-z]{3})"),
    _field("day of week", "0 to 7 (0 and 7 are Sunday), or SUN to SAT", 7, r"(?:[0-9]{1,2}|[A-Za-z]{3})"),
)


@dataclass(frozen=True)
class Schedule:
    """A cron expression that can fire, and the time zone whose wall clock it means."""

    text: str
    time_zone: str = UTC

    @property
    def zone(self) -> ZoneInfo:
        """The rules of its time zone."""
        return ZoneInfo(self.time_zone)

    def next_after(self, instant: datetime) -> datetime:
        """The first fire time later than that. The rarest, 29 February on one day of the week, takes up to 40 years."""
        return _next_after(self.text, self.time_zone, instant)

    def backwards_from(self, instant: datetime) -> Iterator[datetime]:
        """The fire times up to that one, itself included, newest first."""
        return fires_backwards(self.text, self.time_zone, instant)


@lru_cache(maxsize=REMEMBERED)
def _next_after(text: str, time_zone: str, instant: datetime) -> datetime:
    return next_fire(text, time_zone, instant)


def parse_schedule(field: str, value: object) -> str:
    """A cron expression. Raises InvalidInputError that names the part at fault and shows a right one."""
    if value is None:
        raise InvalidInputError(field, "is missing", _rule())
    given = check_text(field, value)
    if len(given) > LENGTH_LIMIT:
        raise InvalidInputError(field, f"has {len(given)} characters", f"at most {LENGTH_LIMIT}; {_rule()}")
    parts = given.split()
    if len(parts) != len(FIELDS):
        raise InvalidInputError(field, f"{shown(given)} has {len(parts)} fields", _rule())
    text = " ".join(parts)
    for index, part in enumerate(parts):
        _check_part(field, index, part)
    try:
        CronSim(text, _ANY_DAY)
    except CronSimError:  # each field alone is right
        problem = f'"{text}" never fires: that day of month does not come in that month'
        raise InvalidInputError(field, problem, f"a day that comes; for example {EXAMPLE}") from None
    return text


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    # Files of the database that are no places: what the machine is set to, and what says that it is not set.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def check_time_zone(field: str, value: object) -> str:
    """The value, if it names a time zone. Raises InvalidInputError that names those that are written alike."""
    name = check_text(field, value)
    if name in _time_zones():
        return name
    alike = get_close_matches(name[:100], _time_zones(), 3, 0.75) or ["Europe/Paris", "America/New_York", UTC]
    allowed = f"a name of the IANA time zone database, for example {', '.join(sorted(alike))}"
    raise InvalidInputError(field, f"{shown(name)} is not a time zone", allowed)


def _check_part(field: str, index: int, part: str) -> None:
    rule = FIELDS[index]
    allowed = (
        f"{rule.values}; * for any, lists (1,2), ranges (1-5, the lesser first) and steps up to {rule.size} (*/2); "
        f"for example {EXAMPLE}"
    )
    for item in part.split(","):
        match = rule.item.fullmatch(item)
        if match is None:
            raise InvalidInputError(field, f"the {rule.name} {shown(part)} cannot be used", allowed)
        # "*/90" would fire once an hour, which nobody means by it.
        if match[1] is not None and int(match[1]) > rule.size:
            raise InvalidInputError(field, f"the {rule.name} {shown(part)} has too large a step", allowed)
    alone = ["*"] * len(FIELDS)
    alone[index] = part
    try:
        CronSim(" ".join(alone), _ANY_DAY)
    except CronSimError:
        raise InvalidInputError(field, f"the {rule.name} {shown(part)} cannot be used", allowed) from None


def _rule() -> str:
    names = ", ".join(rule.name for rule in FIELDS)
    return f"five fields: {names}; for example {EXAMPLE}"
