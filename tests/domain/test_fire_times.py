"""Fire times in time zones: those of a walk through the minutes, and of cronsim, wherever clocks change.

`PIPEYARD_TEST_WALK=full` (`make walk`) goes through 2025 to 2030; else the days around some of the changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from tests.minutes import MINUTE, walk

from pipeyard.domain.fire_times import _changes, fires_backwards, next_fire

IS_FULL = os.environ.get("PIPEYARD_TEST_WALK") == "full"
BEGIN, END = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2025, 2031))
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
ZONES = (
    "UTC",
    "Africa/Casablanca",  # an hour less in Ramadan
    "America/Havana",  # the gap is at midnight
    "America/Sao_Paulo",  # no changes any more
    "America/Scoresbysund",  # another rule from 2024 on
    "America/St_Johns",  # half an hour off
    "Antarctica/Troll",  # two hours at once
    "Asia/Gaza",  # several times a year
    "Asia/Kathmandu",  # three quarters of an hour off
    "Australia/Lord_Howe",  # half an hour at once
    "Pacific/Apia",
    "Pacific/Chatham",  # changes at 2:45
    "Pacific/Kiritimati",  # fourteen hours ahead
)
# cronsim walks hours of real time: where they do not begin with the hours of the clock, it passes by what recurs.
PASSED_BY = {"Australia/Lord_Howe", "Pacific/Chatham"}
DENSE = ("* * * * *", "*/7 * * * *", "30 * * * *", "*/5 1-3 * * *", "10-59/7 */2 * * *", "15,45 0-23 * * *")
SPARSE = (
    "0 14 * * *",
    "0 0 * * *",
    "30 2 * * *",
    "45 1 * * *",
    "17,43 0-3 * * *",
    "0 */6 * * *",
    "*/30 2 * * SUN",
    "30 23 * * SAT,SUN",
    "15 2-3 1-7,25-31 MAR,apr,OCT,11 *",
    "59 23 31 12 *",
    "*/20 */5 */3 2-11/3 *",
)


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """The first whole quarter of an hour with another offset, for each change."""
    day = BEGIN
    while day < END:
        if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset():
            quarters = (day + 15 * MINUTE * number for number in range(1, 97))
            yield next(one for one in quarters if one.astimezone(zone).utcoffset() != day.astimezone(zone).utcoffset())
        day += DAY


def around(zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Spans to look at: about changes, and one without."""
    at = list(changes(zone))
    quiet = (datetime(2028, 2, 28, tzinfo=timezone.utc), datetime(2028, 3, 1, tzinfo=timezone.utc))
    return [quiet, *((change - DAY, change + DAY) for change in (at if IS_FULL else at[:2]))]


def forwards(expression: str, zone: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    instant = next_fire(expression, zone, begin - INSTANT)
    while instant < end:
        yield instant
        instant = next_fire(expression, zone, instant)


def of_cronsim(expression: str, zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    fires = (fire.astimezone(timezone.utc) for fire in CronSim(expression, (begin - DAY).astimezone(zone)))
    return [fire for fire in takewhile(lambda fire: fire < end, fires) if fire >= begin]


def check(expression: str, zone: str, begin: datetime, end: datetime) -> int:
    wanted = list(walk(expression, begin, end, ZoneInfo(zone)))
    place = f"{expression} in {zone} from {begin}"
    assert list(forwards(expression, zone, begin, end)) == wanted, place
    simulated = of_cronsim(expression, ZoneInfo(zone), begin, end)
    if zone in PASSED_BY and "*" in (expression[0], expression.split()[1][0]):
        assert set(simulated) <= set(wanted), place
    else:
        assert simulated == wanted, place
    return len(wanted)


@pytest.mark.parametrize("zone", ZONES)
def test_fire_times_are_those_of_a_walk_and_of_cronsim(zone: str) -> None:
    spans, count = around(ZoneInfo(zone)), 0
    for expression in (*DENSE, *SPARSE):
        for begin, end in spans:
            count += check(expression, zone, begin, end)
    if IS_FULL:
        count += sum(check(expression, zone, BEGIN, END) for expression in SPARSE)
        print(f"{zone}: {count} fire times agree")
    assert count > 2000


@pytest.mark.parametrize("zone", ["Asia/Gaza", "Australia/Lord_Howe", "Antarctica/Troll", "America/Havana"])
def test_from_any_minute_about_a_change_both_directions_agree(zone: str) -> None:
    """Also from within a repeated hour, and from where a gap ends."""
    for change in list(changes(ZoneInfo(zone)))[:2]:
        for expression in ("30 2 * * *", "17,43 0-3 * * *", "30 * * * *", "*/20 1-2 * * *", "0 0 * * *"):
            known = list(walk(expression, change - 3 * DAY, change + 3 * DAY, ZoneInfo(zone)))
            for number in range(-190, 190, 19):
                instant = change + number * MINUTE
                for near in (instant - INSTANT, instant, instant + INSTANT):
                    assert next_fire(expression, zone, near) == min(one for one in known if one > near)
                    assert next(fires_backwards(expression, zone, near)) == max(one for one in known if one <= near)


def test_a_gap_and_a_repeated_hour_in_paris() -> None:
    def fires(expression: str, day: str) -> list[str]:
        begin = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(hours=2)
        return [one.isoformat()[11:16] for one in forwards(expression, "Europe/Paris", begin, begin + DAY)]

    spring, autumn = "2027-03-28", "2027-10-31"
    assert fires("30 2 * * *", spring) == ["01:00"]  # 3:00 of the clock
    assert fires("30 2 * * *", autumn) == ["00:30"]  # the first 2:30
    assert fires("*/30 2 * * *", spring) == []
    assert fires("*/30 2 * * *", autumn) == ["00:00", "00:30", "01:00", "01:30"]


def test_rare_fire_times_are_found_across_years_of_changes() -> None:
    assert next_fire("30 12 29 2 *", "Europe/Paris", BEGIN).isoformat() == "2028-02-29T11:30:00+00:00"
    leap_sundays = fires_backwards("0 0 29 2 */7", "Pacific/Chatham", datetime(2061, 1, 1, tzinfo=timezone.utc))
    assert next(leap_sundays).isoformat() == "2060-02-28T10:15:00+00:00"


def test_a_zone_is_looked_at_once_for_each_year_however_often_a_rare_time_is_asked_for() -> None:
    next_fire("0 0 29 2 */7", "Pacific/Chatham", BEGIN)
    before = _changes.cache_info()
    for day in range(50):
        next_fire("0 0 29 2 */7", "Pacific/Chatham", BEGIN + day * DAY)
    assert _changes.cache_info().misses == before.misses


@pytest.mark.parametrize("zone", ["Asia/Gaza", "Africa/Casablanca"])
def test_no_zone_changes_twice_within_the_step_of_the_search(zone: str) -> None:
    at = list(changes(ZoneInfo(zone)))
    assert min(later - earlier for earlier, later in pairwise(at)) > timedelta(days=6)
