"""When schedules fire, what is no schedule, and what becomes of ticks that were missed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest
from tests.minutes import walk

from pipeyard.domain.schedule_descriptions import describe
from pipeyard.domain.schedules import (
    LENGTH_LIMIT,
    Schedule,
    parse_schedule,
)
from pipeyard.errors import InvalidInputError


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


# --- fire times ---

EXPRESSIONS = [
    "* * * * *",
    "*/2 * * * *",
    "*/45 * * * *",
    "5/15 * * * *",
    "0 14 * * *",
    "0 0 * * *",
    "0 0 5 * *",
    "0 0 */14 * *",
    "59 23 31 12 *",
    "0 0 31 * *",
    "30 4 1,15 * 5",
    "0 0 13 * FRI",
    "0 0 */2 * MON",
    "0 12 29 2 *",
    "15,45 9-17 * * MON-FRI",
    "0 8-18/3 * JAN,mar-may sat",
    "1-10/3,50 */6 * */5 *",
    "0 0 * * 0",
    "0 0 * * 7",
    "0 6 * * 5-7",
    "0 6 1-7 * 1/2",
    "*/7 */5 */3 2-11/3 *",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_fire_times_are_those_of_a_walk_through_the_minutes(expression: str) -> None:
    schedule, begin = Schedule(parse_schedule("schedule", expression)), at("2027-12-30T22:58")
    wanted = list(islice(walk(expression, begin, at("2032-03-02")), 3000))
    assert wanted
    found, instant = [], begin - timedelta(microseconds=1)
    while len(found) < len(wanted):
        following = schedule.next_after(instant)
        assert following is not None
        found.append(following)
        instant = following
    assert found == wanted
    backwards = schedule.backwards_from(wanted[-1])
    assert list(islice(backwards, len(wanted))) == wanted[::-1]


def test_the_next_fire_time_is_later_and_the_newest_one_is_not() -> None:
    schedule = Schedule("30 * * * *")
    exactly = at("2027-01-01T10:30")
    assert schedule.next_after(exactly) == at("2027-01-01T11:30")
    assert schedule.next_after(exactly - timedelta(microseconds=1)) == exactly
    assert next(schedule.backwards_from(exactly)) == exactly
    assert next(schedule.backwards_from(exactly + timedelta(microseconds=1))) == exactly
    assert next(schedule.backwards_from(exactly - timedelta(microseconds=1))) == at("2027-01-01T09:30")


# --- what is a schedule ---


def test_spaces_do_not_count_and_the_text_stays_as_it_was_given() -> None:
    assert parse_schedule("schedule", "  0\t9  * jan mon-Fri \n") == "0 9 * jan mon-Fri"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("60 * * * *", "the minute '60' cannot be used; allowed: 0 to 59"),
        ("-1 * * * *", "the minute '-1' cannot be used"),
        ("*/0 * * * *", "the minute '*/0' cannot be used"),
        ("*/90 * * * *", "the minute '*/90' has too large a step"),
        ("5-1 * * * *", "the minute '5-1' cannot be used"),
        ("0 0 * * FRI-SUN", "ranges (1-5, the lesser first)"),
        ("1,,2 * * * *", "the minute '1,,2' cannot be used"),
        ("1.5 * * * *", "the minute '1.5' cannot be used"),
        ("٣ * * * *", "the minute '٣' cannot be used"),
        ("JAN * * * *", "the minute 'JAN' cannot be used"),
        ("0 24 * * *", "the hour '24' cannot be used; allowed: 0 to 23"),
        ("0 */25 * * *", "the hour '*/25' has too large a step"),
        ("0 0 0 * *", "the day of month '0' cannot be used; allowed: 1 to 31"),
        ("0 0 32 * *", "the day of month '32' cannot be used"),
        ("0 0 L * *", "the day of month 'L' cannot be used"),
        ("0 0 LW * *", "the day of month 'LW' cannot be used"),
        ("0 0 ? * *", "the day of month '?' cannot be used"),
        ("0 0 * 13 *", "the month '13' cannot be used; allowed: 1 to 12, or JAN to DEC"),
        ("0 0 * JANUARY *", "the month 'JANUARY' cannot be used"),
        ("0 0 * MON *", "the month 'MON' cannot be used"),
        ("0 0 * * 8", "the day of week '8' cannot be used; allowed: 0 to 7"),
        ("0 0 * * 5L", "the day of week '5L' cannot be used"),
        ("0 0 * * MON#2", "the day of week 'MON#2' cannot be used"),
        ("0 0 * * FRI-MON", "the day of week 'FRI-MON' cannot be used"),
        ("0 0 * * *,", "the day of week '*,' cannot be used"),
        ("@daily", "has 1 fields; allowed: five fields: minute, hour, day of month, month, day of week"),
        ("* * * *", "has 4 fields"),
        ("0 * * * * *", "has 6 fields"),
        ("", "has 0 fields"),
        ("* * * * *" + " " * LENGTH_LIMIT, f"at most {LENGTH_LIMIT}; five fields"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 2,4,6,9,11 *", "never fires"),
        (None, "is missing; allowed: five fields"),
        (5, "must be text"),
        (["* * * * *"], "must be text"),
    ],
)
def test_what_is_no_schedule_is_refused_at_the_field_at_fault(text: object, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_schedule("schedule", text)
    assert refused.value.message.startswith("schedule: ")
    assert said in refused.value.message
    if isinstance(text, str):
        assert '"0 14 * * *" is every day at 14:00 UTC' in refused.value.message


def test_the_rarest_schedules_fire() -> None:
    leap_sundays = Schedule(parse_schedule("schedule", "0 0 29 2 */7"))
    assert leap_sundays.next_after(at("2026-01-01")) == at("2032-02-29")
    # 2100 is no leap year: 40 years is the longest that one day of the week has to wait.
    assert leap_sundays.next_after(at("2088-02-29")) == at("2128-02-29")
    assert next(leap_sundays.backwards_from(at("2128-02-28"))) == at("2088-02-29")


# --- in words ---


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("*/2 * * * *", "Every 2 minutes"),
        ("* * * * *", "Every minute"),
        ("0 14 * * *", "At 02:00 PM"),
        ("0 0 * * *", "At 12:00 AM"),
        ("0 0 5 * *", "At 12:00 AM, on day 5 of the month"),
        ("0 */6 * * *", "Every 6 hours"),
        ("0 0 * * mon-FRI", "At 12:00 AM, Monday through Friday"),
        ("0 0 * JAN,mar *", "At 12:00 AM, only in January and March"),
        # What a short form would get wrong is written out.
        ("*/45 * * * *", "At 0 and 45 minutes past the hour"),
        ("0 */7 * * *", "At 12:00 AM, 07:00 AM, 02:00 PM and 09:00 PM"),
        ("0 0 */14 * *", "At 12:00 AM, on day 1, 15, and 29 of the month"),
        ("0 0 * */5 *", "At 12:00 AM, only in January, June, and November"),
        ("5/20 * * * *", "At 5, 25, and 45 minutes past the hour"),
        ("*/15 */6 * * *", "Every 15 minutes, at 12:00 AM, 06:00 AM, 12:00 PM, and 06:00 PM"),
        ("0-0 */6 * * *", "Every 6 hours"),
        ("0 0 * * 1/3", "At 12:00 AM, only on Sunday, Monday, and Thursday"),
        # Both days must match where either starts with a star, else one is enough.
        ("0 0 */10 * MON", "At 12:00 AM, on day 1, 11, 21, and 31 of the month, only on Monday"),
        ("0 0 13 * FRI", "At 12:00 AM, on day 13 of the month, or on Friday"),
        ("0 0 13 * 1-2", "At 12:00 AM, on day 13 of the month, or on Monday and Tuesday"),
        ("0 0 1-31 * MON", "At 12:00 AM"),
        ("0 0 13 * 0-6", "At 12:00 AM"),
        ("0 0 29 2 */7", "At 12:00 AM, on day 29 of the month, only on Sunday, only in February"),
    ],
)
def test_a_schedule_is_described_in_true_words(expression: str, words: str) -> None:
    assert describe(parse_schedule("schedule", expression)) == words


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_schedule_has_a_description(expression: str) -> None:
    words = describe(expression)
    assert words
    assert "*" not in words
    assert "/" not in words
