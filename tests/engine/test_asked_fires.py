"""Fires that somebody asks for: now, and for the fire times of a range."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from clockwork import START, Clock, Server, deployment, open_store
from tests.minutes import MINUTE

from pipeyard import clock as real_clock
from pipeyard.domain.executions import ExecutionFilter, ExecutionStatus, ExecutionSummary, Outcome
from pipeyard.domain.loads import Load
from pipeyard.domain.schedule_options import Overlap, ScheduleOptions
from pipeyard.domain.schedules import Schedule
from pipeyard.errors import ConflictError, InvalidInputError, QueueFullError
from pipeyard.services.fires import Backfill
from pipeyard.store.sql import SqlStore

pytestmark = pytest.mark.anyio

TEN = START + timedelta(seconds=30)
EVERY_MINUTE = deployment("d", "* * * * *")


@pytest.fixture
async def store() -> AsyncIterator[SqlStore]:
    opened, _ = await open_store()
    await opened.add_deployment(EVERY_MINUTE)
    yield opened
    await opened.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    shown = Clock()
    monkeypatch.setattr(real_clock, "now", shown.now)
    return shown


async def rows(store: SqlStore) -> list[ExecutionSummary]:
    """Oldest first."""
    return list(reversed(await store.list_executions(ExecutionFilter("e"))))


async def test_run_now_is_an_ordinary_execution_of_who_asked_and_the_clock_goes_on(
    store: SqlStore, clock: Clock
) -> None:
    server = Server(store, "s", clock.now)
    asked = await server.fires.run_now(EVERY_MINUTE, "bob")
    clock.move(seconds=30)
    await server.scheduler.fire_due()
    found = [(one.created_by, one.due_at, one.status.value) for one in await rows(store)]
    assert found == [("bob", None, "Pending"), ("ada", TEN, "Pending")]
    assert await store.get_input_values(asked) == '{"n":7}'
    assert server.lanes.dispatched[0] == asked


async def test_a_backfill_runs_what_was_missed_and_what_was_never_due_but_nothing_twice(
    store: SqlStore, clock: Clock
) -> None:
    server = Server(store, "s", clock.now)
    clock.move(minutes=3)
    await server.scheduler.fire_due()  # 10:00 and 10:01 are skipped, 10:02 runs
    wanted = Backfill(TEN - 2 * MINUTE, TEN + 3 * MINUTE)
    ticks = await server.fires.backfill(EVERY_MINUTE, "bob", replace(wanted, end=clock.now()))
    assert [tick.due_at for tick in ticks] == [TEN + n * MINUTE for n in (-2, -1, 0, 1)]
    assert await server.fires.backfill(EVERY_MINUTE, "bob", replace(wanted, end=clock.now())) == []
    ran = [(one.due_at, one.created_by) for one in await rows(store) if one.status.value == "Pending"]
    assert ran == [(TEN + 2 * MINUTE, "ada"), *((tick.due_at, "bob") for tick in ticks)]
    assert server.lanes.places._taken["d"] == len(ran)


async def test_the_clock_does_not_repeat_what_a_backfill_has_run(store: SqlStore, clock: Clock) -> None:
    server = Server(store, "s", clock.now)
    clock.move(seconds=31)
    (tick,) = await server.fires.backfill(EVERY_MINUTE, "bob", Backfill(TEN, TEN + timedelta(seconds=1)))
    await server.scheduler.fire_due()
    assert [one.id for one in await rows(store)] == [tick.execution.id]
    assert server.lanes.places._taken["d"] == 1


async def test_a_range_begins_with_its_first_instant_and_ends_before_its_last(store: SqlStore, clock: Clock) -> None:
    clock.move(minutes=5)
    ticks = await Server(store, "s", clock.now).fires.backfill(EVERY_MINUTE, "bob", Backfill(TEN, TEN + 2 * MINUTE))
    assert [tick.due_at for tick in ticks] == [TEN, TEN + MINUTE]


@pytest.mark.parametrize(
    ("begin", "most", "said"),
    [
        (TEN - 60 * MINUTE, 59, "60 fire times, which is more than 59"),
        (datetime(2000, 1, 1, tzinfo=START.tzinfo), 1000, "more than 10000 fire times"),
    ],
)
async def test_a_range_with_more_fire_times_than_asked_for_is_refused_with_their_number(
    store: SqlStore, clock: Clock, begin: datetime, most: int, said: str
) -> None:
    clock.move(minutes=1)
    server = Server(store, "s", clock.now)
    with pytest.raises(InvalidInputError, match=said):
        await server.fires.backfill(EVERY_MINUTE, "bob", Backfill(begin, TEN, most))
    assert await rows(store) == []


async def test_a_backfill_that_the_queue_has_no_room_for_changes_nothing(store: SqlStore, clock: Clock) -> None:
    server = Server(store, "s", clock.now, most=3)
    with pytest.raises(QueueFullError):
        await server.fires.backfill(EVERY_MINUTE, "bob", Backfill(TEN - 4 * MINUTE, TEN - MINUTE * 0 - MINUTE / 2))
    assert await rows(store) == []
    assert server.lanes.places._taken["d"] == 0


async def test_a_deployment_that_is_disabled_or_gone_is_not_run(store: SqlStore, clock: Clock) -> None:
    server, wanted = Server(store, "s", clock.now), Backfill(TEN - 3 * MINUTE, TEN - 2 * MINUTE)
    disabled = replace(EVERY_MINUTE, is_enabled=False)
    await store.delete_deployment("d")
    for shown, said in ((disabled, "disabled"), (EVERY_MINUTE, "deleted")):
        with pytest.raises(ConflictError, match=said):
            await server.fires.run_now(shown, "bob")
        with pytest.raises(ConflictError, match=said):
            await server.fires.backfill(shown, "bob", wanted)
    assert server.lanes.places._taken["d"] == 0


async def test_the_figures_tell_what_came_from_the_clock_and_what_was_asked_for(store: SqlStore, clock: Clock) -> None:
    server = Server(store, "s", clock.now)
    clock.move(minutes=3, seconds=0.2)
    await server.scheduler.fire_due()
    await server.fires.run_now(EVERY_MINUTE, "bob")
    await server.fires.backfill(EVERY_MINUTE, "bob", Backfill(TEN, TEN + MINUTE))
    shown = server.meters.render(Load({}, {}, {}, 0))[0].decode()
    for line in (
        'pipeyard_executions_accepted_total{trigger="schedule"} 1.0',
        'pipeyard_executions_accepted_total{trigger="run_now"} 1.0',
        'pipeyard_executions_accepted_total{trigger="backfill"} 1.0',
        'pipeyard_executions_ended_total{reason="missed",status="Skipped"} 2.0',
        "pipeyard_tick_dispatch_seconds_count 1.0",  # 30.2 s after 10:02
        'pipeyard_tick_dispatch_seconds_bucket{le="30.0"} 0.0',
        'pipeyard_tick_dispatch_seconds_bucket{le="60.0"} 1.0',
    ):
        assert line in shown.splitlines(), line


async def test_the_figures_do_not_count_jitter_as_late(store: SqlStore, clock: Clock) -> None:
    await store.delete_deployment("d")
    made = deployment("j", "0 10 * * *", schedule_options=ScheduleOptions(jitter_s=3600))
    await store.add_deployment(made)
    assert made.wake_at is not None
    assert made.wake_at > TEN + timedelta(seconds=60)
    server = Server(store, "s", clock.now)
    clock.instant = made.wake_at
    await server.scheduler.fire_due()
    assert "pipeyard_tick_dispatch_seconds_sum 0.0" in server.meters.render(Load({}, {}, {}, 0))[0].decode()


async def test_what_is_asked_for_follows_the_zone_and_runs_beside_what_is_open(store: SqlStore, clock: Clock) -> None:
    in_kolkata = Schedule("30 15 * * *", "Asia/Kolkata")  # 10:00 UTC
    made = deployment("k", in_kolkata, schedule_options=ScheduleOptions(jitter_s=600, overlap=Overlap.SKIP))
    await store.add_deployment(made)
    server = Server(store, "s", clock.now)
    await server.fires.run_now(made, "bob")
    ran = await server.fires.backfill(made, "bob", Backfill(START - timedelta(days=2), START))
    assert [tick.due_at for tick in ran] == [TEN - timedelta(days=2), TEN - timedelta(days=1)]
    assert [one.status.value for one in await rows(store)] == ["Pending"] * 3


async def test_a_tick_that_waits_and_is_backfilled_meanwhile_runs_once(store: SqlStore, clock: Clock) -> None:
    made = deployment("b", "* * * * *", schedule_options=ScheduleOptions(overlap=Overlap.BUFFER_ONE))
    await store.add_deployment(made)
    server = Server(store, "s", clock.now)
    open_one = await server.fires.run_now(made, "bob")
    clock.move(seconds=30)
    await server.scheduler.fire_due()
    clock.move(seconds=1)
    (asked,) = await server.fires.backfill(made, "bob", Backfill(TEN, clock.now()))
    for name in (open_one, asked.execution.id):
        await store.finish_execution(name, "s", Outcome(ExecutionStatus.SUCCEEDED, clock.now()))
    await server.scheduler.fire_due()
    found = [one for one in await rows(store) if one.deployment_name == "b"]
    assert [(one.id, one.due_at) for one in found] == [(open_one, None), (asked.execution.id, TEN)]
    freed = await store.get_deployment_by_id("b")
    assert freed is not None
    assert freed.held_tick_at is None
