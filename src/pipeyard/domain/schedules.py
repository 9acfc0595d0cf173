"""Schedules: five cron fields in UTC, when they fire, and what becomes of ticks that were missed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice, takewhile

from cronsim import CronSim, CronSimError

from pipeyard.domain.names import check_text, shown
from pipeyard.errors import InvalidInputError

LENGTH_LIMIT = 500
REMEMBERED = 10_000  # fire times of schedules: most minutes have few different ones
MISSED_RECORDED_MAX = 60  # an hour of a schedule that fires every minute; what was missed before is one more record
EXAMPLE = '"0 14 * * *" is every day at 14:00 UTC'

_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)
_SECOND = timedelta(seconds=1)


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
    """A cron expression that can fire."""

    text: str

    def next_after(self, instant: datetime) -> datetime:
        """The first fire time later than that. The rarest, 29 February on one day of the week, takes up to 40 years."""
        return _next_after(self.text, instant)

    def backwards_from(self, instant: datetime) -> Iterator[datetime]:
        """The fire times up to that one, itself included, newest first."""
        return CronSim(self.text, instant.replace(microsecond=0) + _SECOND, reverse=True)


@lru_cache(maxsize=REMEMBERED)
def _next_after(text: str, instant: datetime) -> datetime:
    return next(CronSim(text, instant))


def parse_schedule(field: str, value: object) -> Schedule:
    """Raises InvalidInputError that names the part at fault and shows a right schedule."""
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
    return Schedule(text)


def _check_part(field: str, index: int, part: str) -> None:
    rule = FIELDS[index]
    allowed = (
        f"{rule.values}; * for any, lists (1,2), ranges (1-5) and steps up to {rule.size} (*/2); for example {EXAMPLE}"
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


@dataclass(frozen=True)
class DueTicks:
    """What a deployment has to make up for: the newest tick that is due, and those before it that were missed."""

    newest: datetime
    missed: tuple[datetime, ...]  # oldest first, to be recorded one by one
    left_out: bool  # whether more were missed between the first of `missed` and the second
    next_at: datetime


def due_ticks(schedule: Schedule, due_at: datetime, now: datetime) -> DueTicks | None:
    """What is due at `now`, of a deployment whose next tick, as it is stored, is `due_at`. None: nothing yet.

    The cost is bounded, however many were missed.
    """
    if due_at > now:
        return None
    next_at = schedule.next_after(due_at)
    if next_at > now:
        return DueTicks(due_at, (), False, next_at)
    later = takewhile(lambda tick: tick > due_at, schedule.backwards_from(now))
    ticks = list(islice(later, MISSED_RECORDED_MAX + 1))
    missed = (due_at, *reversed(ticks[1:MISSED_RECORDED_MAX]))
    return DueTicks(ticks[0], missed, len(ticks) > MISSED_RECORDED_MAX, schedule.next_after(now))
