"""Fire times of cron expressions in a time zone: the wall clock of Debian's cron, with its gaps and its repeated hours.

What is fixed to a time of day (neither the minute nor the hour starts with a star) fires once a day whatever the clock
does: at the end of a gap if its time is left out, at the first of two if its time comes twice. What recurs within the
day follows the wall clock: it does not fire in a gap, and fires in both hours of the two. cronsim walks the calendar;
the zone is dealt with here, because its own walk is lost where clocks move by half an hour, and backwards in a repeated
hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

UTC = timezone.utc
_SECOND = timedelta(seconds=1)
# Every zone keeps an offset for a week at least: the shortest are the summers of Gaza that Ramadan cuts in two.
_STEP = timedelta(days=6)
REMEMBERED_YEARS = 10_000  # a rare fire time is forty years away, and all ask about the same ones


@lru_cache(maxsize=4096)
def is_fixed(expression: str) -> bool:
    """Whether it fires at times of day, not at intervals."""
    minute, hour = expression.split()[:2]
    return not minute.startswith("*") and not hour.startswith("*")


def next_fire(expression: str, zone: str, instant: datetime) -> datetime:
    """The first fire time later than an instant, UTC."""
    if zone == "UTC":
        return next(CronSim(expression, instant.astimezone(UTC)))
    return _Walk(expression, zone, instant).forwards()


def fires_backwards(expression: str, zone: str, instant: datetime) -> Iterator[datetime]:
    """The fire times up to an instant, itself included, newest first, UTC."""
    if zone == "UTC":
        yield from CronSim(expression, _whole(instant) + _SECOND, reverse=True)
    while True:
        instant = _Walk(expression, zone, instant).backwards()
        yield instant
        instant -= _SECOND


def _whole(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(microsecond=0)


class _Walk:
    """A place on the wall clock. The calendar is walked as if the offset stayed; where it does not, from there anew.

    Local times are labelled UTC, so that they are added to and compared without a thought of the zone.
    """

    def __init__(self, expression: str, zone: str, instant: datetime) -> None:
        self.expression, self.zone, self.is_fixed = expression, ZoneInfo(zone), is_fixed(expression)
        self.offset = _offset(self.zone, instant)
        self.local = _whole(instant) + self.offset

    def forwards(self) -> datetime:
        """The first fire time later than here."""
        while True:
            found = next(CronSim(self.expression, self.local))
            change = self._change(self.local - self.offset, found - self.offset)
            if change is not None:
                before, self.offset = change + self.offset, _offset(self.zone, change)
                if self.is_fixed and before <= found < change + self.offset:
                    return change  # it was in the gap
                self.local = change + self.offset - _SECOND
            elif self._is_second_time(found - self.offset):
                self.local = found
            else:
                return found - self.offset

    def backwards(self) -> datetime:
        """The last fire time that is not later than here."""
        while True:
            found = self._newest(self.local)
            change = self._change(self.local - self.offset, found - self.offset)
            if change is not None:
                after, self.offset = change + self.offset, _offset(self.zone, change - _SECOND)
                before = change + self.offset
                if self.is_fixed and before < after and self._newest(after - _SECOND) >= before:
                    return change
                self.local = before - _SECOND
            elif self._is_second_time(found - self.offset):
                self.local = found - _SECOND
            else:
                return found - self.offset

    def _newest(self, local: datetime) -> datetime:
        return next(CronSim(self.expression, local + _SECOND, reverse=True))

    def _is_second_time(self, instant: datetime) -> bool:
        return self.is_fixed and instant.astimezone(self.zone).fold == 1

    def _change(self, start: datetime, stop: datetime) -> datetime | None:
        """The change of the offset that is nearest to `start` on the way to `stop`: the first second behind it.

        None: `stop` has the offset that holds at `start`.
        """
        if start < stop:
            for year in range(start.year, stop.year + 1):
                for at, _, after in _changes(self.zone.key, year):
                    if start < at <= stop and after != self.offset:
                        return at
            return None
        start += _SECOND  # it may be the last second before a change, as if it were behind that
        for year in range(start.year, stop.year - 1, -1):
            for at, before, _ in reversed(_changes(self.zone.key, year)):
                if stop < at <= start and before != self.offset:
                    return at
        return None


@lru_cache(maxsize=REMEMBERED_YEARS)
def _changes(zone_name: str, year: int) -> Sequence[tuple[datetime, timedelta, timedelta]]:
    """The first second behind each change of the offset in a year, the offset before and behind it; oldest first."""
    zone, found = ZoneInfo(zone_name), []
    begin, end = datetime(year, 1, 1, tzinfo=UTC) - _SECOND, datetime(year + 1, 1, 1, tzinfo=UTC) - _SECOND
    while begin < end:
        onward = min(begin + _STEP, end)
        before, after = _offset(zone, begin), _offset(zone, onward)
        if before != after:
            onward = _bisect(zone, begin, onward)
            found.append((onward, before, after))
        begin = onward
    return found


def _bisect(zone: ZoneInfo, same: datetime, other: datetime) -> datetime:
    offset = _offset(zone, same)
    while other - same > _SECOND:
        middle = same + (other - same) // _SECOND // 2 * _SECOND
        same, other = (middle, other) if _offset(zone, middle) == offset else (same, middle)
    return other


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset
