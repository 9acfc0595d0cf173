"""What becomes of due ticks: which runs, which waits, which is skipped, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest
from tests.minutes import MINUTE
from tests.periodic import periodic

from pipeyard.domain.schedule_options import Overlap, ScheduleOptions
from pipeyard.domain.schedules import Schedule
from pipeyard.domain.ticks import (
    MISSED_RECORDED_MAX,
    Decision,
    NotNewest,
    Overlapped,
    Skip,
    Stopped,
    TooLate,
    decide,
    due_ticks,
)

TEN = datetime(2027, 1, 1, 10, tzinfo=timezone.utc)
HOUR_S = 3600.0
SKIP, BUFFER = ScheduleOptions(overlap=Overlap.SKIP), ScheduleOptions(overlap=Overlap.BUFFER_ONE)


def decided(
    now: datetime, options: ScheduleOptions = SKIP, held_at: datetime | None = None, *, has_open: bool = False
) -> Decision:
    made = periodic(next_fire_at=TEN, schedule_options=options, held_tick_at=held_at)
    decision = decide(made, now, HOUR_S, has_open)
    assert decision is not None
    return decision


# --- what is due ---


def test_nothing_is_due_before_its_time_whatever_the_clock_did() -> None:
    assert due_ticks(periodic(next_fire_at=TEN), TEN - timedelta(microseconds=1)) is None
    assert due_ticks(periodic(next_fire_at=TEN), TEN - timedelta(days=400)) is None
    assert due_ticks(periodic(next_fire_at=None), TEN) is None


def test_a_tick_in_time_is_the_only_one() -> None:
    due = due_ticks(periodic(next_fire_at=TEN), TEN + timedelta(milliseconds=3))
    assert due is not None
    assert (due.newest, due.missed, due.left_out, due.next_at) == (TEN, (), False, TEN + MINUTE)


def test_the_newest_of_several_is_told_from_those_that_were_missed() -> None:
    due = due_ticks(periodic(next_fire_at=TEN), TEN + 2.5 * MINUTE)
    assert due is not None
    assert (due.newest, due.missed, due.next_at) == (TEN + 2 * MINUTE, (TEN, TEN + MINUTE), TEN + 3 * MINUTE)


@pytest.mark.parametrize(("missed", "left_out"), [(59, False), (60, False), (61, True), (62, True), (525_600, True)])
def test_what_was_missed_is_bounded_and_nothing_is_left_out_in_silence(missed: int, left_out: bool) -> None:
    due = due_ticks(periodic(next_fire_at=TEN), TEN + missed * MINUTE)
    assert due is not None
    assert due.newest == TEN + missed * MINUTE
    assert len(due.missed) == min(missed, MISSED_RECORDED_MAX)
    assert due.missed[0] == TEN
    assert list(due.missed[1:]) == [due.newest - MINUTE * back for back in range(len(due.missed) - 1, 0, -1)]
    assert due.left_out is left_out
    assert due.next_at == due.newest + MINUTE


def test_the_stored_fire_time_counts_even_if_the_schedule_does_not_give_it() -> None:
    # As after an upgrade that reads an expression in another way.
    due = due_ticks(periodic(next_fire_at=TEN, schedule=Schedule("0 0 1 1 *")), TEN + MINUTE)
    assert due is not None
    assert (due.newest, due.missed, due.next_at) == (TEN, (), TEN.replace(year=2028, hour=0))


# --- jitter ---


def test_jitter_is_the_same_whoever_asks_and_another_for_each_tick_and_periodic() -> None:
    options = ScheduleOptions(jitter_s=30)
    one, two = (periodic(id=name, schedule_options=options) for name in ("a", "b"))
    late = [one.wake_time(TEN + n * MINUTE) - (TEN + n * MINUTE) for n in range(200)]
    assert late == [one.wake_time(TEN + n * MINUTE) - (TEN + n * MINUTE) for n in range(200)]
    assert all(timedelta(0) <= delay < timedelta(seconds=30) for delay in late)
    assert len(set(late)) > 190
    assert 10 < sum(late, timedelta()).total_seconds() / 200 < 20
    assert one.wake_time(TEN) != two.wake_time(TEN)


def test_jitter_never_reaches_the_next_tick() -> None:
    made = periodic(schedule_options=ScheduleOptions(jitter_s=24 * 3600))
    assert all(made.wake_time(TEN + n * MINUTE) < TEN + (n + 1) * MINUTE for n in range(500))


def test_a_tick_is_due_when_its_jitter_has_passed_and_the_one_before_it_is_not_missed() -> None:
    made = periodic(schedule_options=ScheduleOptions(jitter_s=50))
    for n in range(50):
        tick = TEN + n * MINUTE
        made = replace(made, next_fire_at=tick, wake_at=made.wake_time(tick))
        assert made.wake_at is not None
        assert due_ticks(made, made.wake_at - timedelta(microseconds=1)) is None
        due = due_ticks(made, made.wake_at)
        assert due is not None
        assert (due.newest, due.missed, due.next_at) == (tick, (), tick + MINUTE)
        # After a time away the newest may still have to wait for its own jitter.
        away = due_ticks(made, made.wake_time(tick + 5 * MINUTE) - timedelta(microseconds=1))
        assert away is not None
        assert (away.newest, len(away.missed), away.next_at) == (tick + 4 * MINUTE, 4, tick + 5 * MINUTE)


def test_the_catch_up_window_is_counted_from_when_a_tick_should_have_been_fired() -> None:
    made = periodic(schedule=Schedule("0 * * * *"), schedule_options=ScheduleOptions(jitter_s=3000, catch_up_s=10))
    made = replace(made, next_fire_at=TEN, wake_at=made.wake_time(TEN))
    assert made.wake_at is not None
    assert made.wake_at - TEN > timedelta(seconds=20)
    for late_s, runs in ((10, (TEN,)), (11, ())):
        decision = decide(made, made.wake_at + timedelta(seconds=late_s), HOUR_S, False)
        assert decision is not None
        assert decision.run == runs


# --- what was missed ---


def test_the_newest_runs_and_the_others_are_skipped() -> None:
    decision = decided(TEN + MINUTE)
    assert decision.run == (TEN + MINUTE,)
    assert decision.skipped == (Skip(TEN, NotNewest(TEN + MINUTE, None)),)
    assert (decision.onward.next_fire_at, decision.onward.last_tick_at) == (TEN + 2 * MINUTE, TEN + MINUTE)


def test_the_window_of_the_deployment_comes_before_that_of_the_server() -> None:
    for within_s, late_s, runs in ((None, 3600, True), (None, 3601, False), (90, 91, False), (90, 90, True)):
        made = periodic(
            next_fire_at=TEN, schedule=Schedule("0 10 * * *"), schedule_options=ScheduleOptions(catch_up_s=within_s)
        )
        decision = decide(made, TEN + timedelta(seconds=late_s), HOUR_S, False)
        assert decision is not None
        assert bool(decision.run) is runs
        if not runs:
            assert decision.skipped == (Skip(TEN, TooLate(late_s, within_s or HOUR_S)),)


# --- overlaps ---


def test_a_tick_runs_beside_an_open_execution_unless_the_deployment_says_otherwise() -> None:
    decision = decided(TEN, ScheduleOptions(), has_open=True)
    assert (decision.run, decision.onward.needs_idle) == ((TEN,), False)


@pytest.mark.parametrize("options", [SKIP, BUFFER])
def test_a_tick_that_must_not_overlap_runs_if_nothing_is_open_when_it_is_stored(options: ScheduleOptions) -> None:
    decision = decided(TEN, options)
    assert (decision.run, decision.skipped, decision.onward.needs_idle) == ((TEN,), (), True)


def test_skip_skips() -> None:
    decision = decided(TEN, SKIP, has_open=True)
    assert (decision.run, decision.skipped) == ((), (Skip(TEN, Overlapped(Overlap.SKIP, None)),))
    assert decision.onward.next_fire_at == TEN + MINUTE


def test_one_tick_waits_and_the_next_is_skipped() -> None:
    first = decided(TEN, BUFFER, has_open=True)
    assert (first.run, first.skipped, first.onward.held_tick_at) == ((), (), TEN)
    second = decided(TEN, BUFFER, TEN - MINUTE, has_open=True)
    assert (second.run, second.onward.held_tick_at) == ((), TEN - MINUTE)
    assert second.skipped == (Skip(TEN, Overlapped(Overlap.BUFFER_ONE, TEN - MINUTE)),)


def test_a_tick_that_waits_runs_once_nothing_is_open_and_leaves_the_next_tick_as_it_is() -> None:
    assert decide(periodic(next_fire_at=TEN, held_tick_at=TEN - MINUTE, schedule_options=BUFFER), TEN - MINUTE,
                  HOUR_S, True) is None  # fmt: skip
    decision = decided(TEN - MINUTE / 2, BUFFER, TEN - MINUTE)
    assert (decision.run, decision.onward.held_tick_at, decision.onward.next_fire_at) == ((TEN - MINUTE,), None, TEN)


def test_a_tick_that_waits_goes_first_and_the_one_that_is_due_waits_then() -> None:
    decision = decided(TEN, BUFFER, TEN - MINUTE)
    assert (decision.run, decision.skipped, decision.onward.held_tick_at) == ((TEN - MINUTE,), (), TEN)


def test_a_tick_that_waits_is_let_go_when_overlaps_are_allowed_again() -> None:
    decision = decided(TEN, ScheduleOptions(), TEN - MINUTE, has_open=True)
    assert (decision.run, decision.onward.held_tick_at) == ((TEN - MINUTE, TEN), None)


@pytest.mark.parametrize(
    "change",
    [
        {"is_enabled": False, "next_fire_at": None},
        {"schedule_options": replace(BUFFER, paused_until=TEN + timedelta(days=9)), "next_fire_at": None},
    ],
)
def test_a_tick_that_waits_is_skipped_if_the_deployment_was_stopped(change: dict[str, object]) -> None:
    made = periodic(**{"schedule_options": BUFFER, "held_tick_at": TEN, **change})
    decision = decide(made, TEN + MINUTE, HOUR_S, False)
    assert decision is not None
    assert (decision.run, decision.skipped) == ((), (Skip(TEN, Stopped()),))
    assert decision.onward.held_tick_at is decision.onward.next_fire_at is None


# --- pauses ---


def test_ticks_before_the_end_of_a_pause_are_not_due_and_one_at_its_end_is() -> None:
    paused = periodic(schedule_options=ScheduleOptions(paused_until=TEN))
    assert paused.scheduled(TEN - timedelta(days=1)).next_fire_at == TEN
    assert paused.scheduled(TEN + MINUTE).next_fire_at == TEN + 2 * MINUTE
    shown = paused.scheduled(TEN - timedelta(days=1)).coming_fire_times()
    assert list(islice(shown, 2)) == [TEN, TEN + MINUTE]
    assert list(replace(paused, is_enabled=False).scheduled(TEN).coming_fire_times()) == []


def test_a_preview_begins_with_the_tick_that_is_stored_and_ends_after_five_years() -> None:
    waits = periodic(next_fire_at=TEN, wake_at=TEN + timedelta(hours=1), schedule=Schedule("30 10 * * *"))
    assert next(waits.coming_fire_times()) == TEN
    rare = periodic(schedule=Schedule("0 0 29 2 *", "Australia/Lord_Howe")).scheduled(TEN)
    assert [at.isoformat() for at in rare.coming_fire_times()] == [
        "2028-02-29T00:00:00+11:00",
        "2032-02-29T00:00:00+11:00",
    ]
