"""The scheduler: punctual, once, never silent, and busy with nothing but what is due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from clockwork import CATCH_UP_S, START, Clock, InlineDatabase, Server, deployment, open_store
from tests.minutes import MINUTE

from pipeyard import clock as real_clock
from pipeyard.domain.executions import Execution, ExecutionFilter, ExecutionStatus, Outcome
from pipeyard.domain.schedule_options import Overlap, ScheduleOptions
from pipeyard.domain.schedules import Schedule
from pipeyard.domain.ticks import MISSED_RECORDED_MAX
from pipeyard.engine import scheduler as scheduler_module
from pipeyard.store.executions import ADD, new_row
from pipeyard.store.sql import SqlStore

pytestmark = pytest.mark.anyio

TEN = START + timedelta(seconds=30)


@pytest.fixture
async def opened() -> AsyncIterator[tuple[SqlStore, InlineDatabase]]:
    store, database = await open_store()
    yield store, database
    await store.close()


@pytest.fixture
def store(opened: tuple[SqlStore, InlineDatabase]) -> SqlStore:
    return opened[0]


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def executions(store: SqlStore) -> list[Execution]:
    """Oldest first."""
    rows = await store.list_executions(ExecutionFilter("e", pipeline_id="p"))
    return [found for row in reversed(rows) if (found := await store.get_execution(row.id)) is not None]


async def test_a_tick_becomes_an_execution_at_its_time_and_not_before(store: SqlStore, clock: Clock) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    server = Server(store, "s", clock.now)
    assert await server.scheduler.fire_due() == TEN
    assert await executions(store) == []
    clock.move(seconds=30, microseconds=500)
    assert await server.scheduler.fire_due() == TEN + MINUTE
    (fired,) = await executions(store)
    assert (fired.status, fired.due_at, fired.created_by) == (ExecutionStatus.PENDING, TEN, "ada")
    assert server.lanes.dispatched == [fired.id]
    assert await store.get_input_values(fired.id) == '{"n":7}'
    found = await store.get_deployment_by_id("d")
    assert found is not None
    assert (found.last_fire_at, found.next_fire_at, found.updated_at) == (TEN, TEN + MINUTE, START)


async def test_after_a_gap_the_newest_tick_runs_and_the_others_are_skipped_with_the_reason(
    store: SqlStore, clock: Clock
) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    clock.move(minutes=4)
    server = Server(store, "s", clock.now)
    await server.scheduler.fire_due()
    found = await executions(store)
    assert [(one.due_at, one.status.value) for one in found] == [
        (TEN, "Skipped"),
        (TEN + MINUTE, "Skipped"),
        (TEN + 2 * MINUTE, "Skipped"),
        (TEN + 3 * MINUTE, "Pending"),
    ]
    assert server.lanes.dispatched == [found[-1].id]
    failure = found[0].failure
    assert failure is not None
    assert failure.kind == "missed"
    assert "2027-01-01T10:00:00.000Z was missed" in failure.message
    assert "only the newest of the missed ticks is run, that of 2027-01-01T10:03:00.000Z" in failure.message


@pytest.mark.parametrize(("late_s", "status"), [(CATCH_UP_S, "Pending"), (CATCH_UP_S + 1, "Skipped")])
async def test_a_tick_runs_within_the_catch_up_window_alone(
    store: SqlStore, clock: Clock, late_s: float, status: str
) -> None:
    await store.add_deployment(deployment("d", "0 10 * * *"))
    clock.move(seconds=30 + late_s)
    server = Server(store, "s", clock.now)
    await server.scheduler.fire_due()
    (found,) = await executions(store)
    assert (found.due_at, found.status.value) == (TEN, status)
    if status == "Skipped":
        assert found.failure is not None
        assert "noticed 3601 s late, which is more than the 3600 s of schedule_catch_up_s" in found.failure.message
        assert server.lanes.dispatched == []
        server.lanes.admit("d")  # no place was kept


async def test_a_year_away_is_no_flood_and_nothing_of_it_is_hidden(store: SqlStore, clock: Clock) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    clock.move(days=365)
    await Server(store, "s", clock.now).scheduler.fire_due()
    found = await executions(store)
    assert len(found) == MISSED_RECORDED_MAX + 1
    assert [one.status.value for one in found[:-1]] == ["Skipped"] * MISSED_RECORDED_MAX
    assert found[0].failure is not None
    assert found[0].due_at == TEN
    first_of_the_rest = real_clock.to_wire(found[1].due_at)
    assert f"this record stands for all ticks before {first_of_the_rest}" in found[0].failure.message
    newest = clock.instant - timedelta(seconds=30)
    assert [one.due_at for one in found[1:]] == [newest - MINUTE * back for back in range(59, -1, -1)]


async def test_a_clock_that_is_set_back_repeats_nothing(store: SqlStore, clock: Clock) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    server = Server(store, "s", clock.now)
    clock.move(minutes=2)
    await server.scheduler.fire_due()
    before = await executions(store)
    clock.move(hours=-1)
    for _ in range(60):
        await server.scheduler.fire_due()
        clock.move(minutes=1)
    assert await executions(store) == before
    await server.scheduler.fire_due()
    clock.move(minutes=1)
    await server.scheduler.fire_due()
    assert [one.due_at for one in await executions(store)][-1] == TEN + 2 * MINUTE


async def test_a_full_queue_is_a_skipped_execution_that_says_so_and_the_next_tick_runs(
    store: SqlStore, clock: Clock
) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    server = Server(store, "s", clock.now, most=1)
    for _ in range(2):
        clock.move(minutes=1)
        await server.scheduler.fire_due()
    ran, refused = await executions(store)
    assert (ran.status.value, refused.status.value, refused.due_at) == ("Pending", "Skipped", TEN + MINUTE)
    assert refused.failure is not None
    assert refused.failure.kind == "refused"
    assert "1 executions of this deployment are open, the limit" in refused.failure.message
    server.lanes.places.leave(ran.id)
    clock.move(minutes=1)
    await server.scheduler.fire_due()
    assert [one.status.value for one in await executions(store)] == ["Pending", "Skipped", "Pending"]


async def test_values_that_are_too_large_are_a_skipped_execution(store: SqlStore, clock: Clock) -> None:
    made = deployment("d", "* * * * *")
    mapping = replace(made.inputs_mapping[0], at="x" * 2000)
    await store.add_deployment(replace(made, inputs_mapping=(mapping,)))
    clock.move(minutes=1)
    await Server(store, "s", clock.now).scheduler.fire_due()
    (found,) = await executions(store)
    assert found.failure is not None
    assert (found.failure.kind, "the limit is 1000" in found.failure.message) == ("refused", True)


async def test_a_year_away_is_no_flood_within_a_window_of_a_year_either(store: SqlStore, clock: Clock) -> None:
    options = ScheduleOptions(catch_up_s=366 * 24 * 3600)
    await store.add_deployment(deployment("d", "0 10 1 1 *", schedule_options=options))
    clock.move(days=365)
    await Server(store, "s", clock.now).scheduler.fire_due()
    (found,) = await executions(store)
    assert (found.due_at, found.status.value) == (TEN, "Pending")


@pytest.mark.parametrize("by_s", [-3600.0, 86_400.0, -86_400.0, 3600.0])
async def test_a_clock_that_jumps_neither_repeats_nor_floods(store: SqlStore, clock: Clock, by_s: float) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    server = Server(store, "s", clock.now)
    for _ in range(3):
        clock.move(minutes=1)
        await server.scheduler.fire_due()
    before = len(await executions(store))
    clock.move(seconds=by_s)
    for _ in range(3):
        clock.move(seconds=5)
        await server.scheduler.fire_due()
    found = await executions(store)
    assert len({one.due_at for one in found}) == len(found)
    new = found[before:]
    assert len(new) <= MISSED_RECORDED_MAX + 1
    assert [one.status.value for one in new] == ["Skipped"] * (len(new) - 1) + ["Pending"] * (by_s > 0)


# --- executions that overlap ---


async def end(store: SqlStore, server: Server, execution: Execution) -> None:
    assert await store.finish_execution(execution.id, "s", Outcome(ExecutionStatus.SUCCEEDED, START))
    server.lanes.places.leave(execution.id)


async def statuses(store: SqlStore) -> list[str]:
    return [one.status.value for one in await executions(store)]


async def test_skip_leaves_out_what_is_due_while_an_execution_is_open(store: SqlStore, clock: Clock) -> None:
    await store.add_deployment(deployment("d", "* * * * *", schedule_options=ScheduleOptions(overlap=Overlap.SKIP)))
    server = Server(store, "s", clock.now)
    for _ in range(3):
        clock.move(minutes=1)
        await server.scheduler.fire_due()
    assert await statuses(store) == ["Pending", "Skipped", "Skipped"]
    first, second, _ = await executions(store)
    assert second.failure is not None
    assert second.failure.kind == "overlapped"
    assert '10:01:00.000Z was due while an execution was open: schedule_overlap is "skip"' in second.failure.message
    await end(store, server, first)
    clock.move(minutes=1)
    await server.scheduler.fire_due()
    assert (await statuses(store))[-1] == "Pending"


async def test_one_tick_waits_for_the_end_of_an_execution_through_a_restart(store: SqlStore, clock: Clock) -> None:
    await store.add_deployment(
        deployment("d", "* * * * *", schedule_options=ScheduleOptions(overlap=Overlap.BUFFER_ONE))
    )
    server = Server(store, "s", clock.now)
    for _ in range(3):
        clock.move(minutes=1)
        await server.scheduler.fire_due()
    assert await statuses(store) == ["Pending", "Skipped"]
    first, skipped = await executions(store)
    assert skipped.due_at == TEN + 2 * MINUTE
    assert skipped.failure is not None
    assert "and the tick of 2027-01-01T10:01:00.000Z waits for its end already" in skipped.failure.message
    again = [Server(store, name, clock.now) for name in ("s2", "s3")]
    await asyncio.gather(*(one.scheduler.fire_due() for one in again))
    assert await statuses(store) == ["Pending", "Skipped"]
    await end(store, server, first)
    await asyncio.gather(*(one.scheduler.fire_due() for one in again))
    waited = (await executions(store))[-1]
    assert (waited.due_at, waited.status) == (TEN + MINUTE, ExecutionStatus.PENDING)
    assert [one for server in again for one in server.lanes.dispatched] == [waited.id]
    assert len(await executions(store)) == 3


async def test_an_execution_that_comes_in_between_changes_the_decision(
    opened: tuple[SqlStore, InlineDatabase], clock: Clock
) -> None:
    store, database = opened
    made = deployment("d", "* * * * *", schedule_options=ScheduleOptions(overlap=Overlap.SKIP))
    await store.add_deployment(made)
    clock.move(minutes=1)
    server = Server(store, "s", clock.now)
    by_hand = server.executions.of_tick(made, START)
    placed = iter([by_hand])

    def fault(place: str) -> None:
        if place == "before a commit":
            for execution in placed:
                database.fault = lambda place: None
                ADD.run(database.connection, new_row(execution, "s"))

    database.fault = fault
    await server.scheduler.fire_due()
    found = await executions(store)
    assert [(one.id == by_hand.id, one.status.value) for one in found] == [(True, "Pending"), (False, "Skipped")]
    server.lanes.admit("d")  # no place was kept


async def test_the_end_of_an_execution_is_worth_a_look_only_where_a_tick_waits(store: SqlStore, clock: Clock) -> None:
    options = ScheduleOptions(overlap=Overlap.BUFFER_ONE)
    await store.add_deployment(deployment("d", "* * * * *", schedule_options=options))
    server = Server(store, "s", clock.now)
    clock.move(minutes=1)
    await server.scheduler.fire_due()
    assert server.ticks.holding == set()
    clock.move(minutes=1)
    await server.scheduler.fire_due()
    assert server.ticks.holding == {"d"}
    (first,) = await executions(store)
    await end(store, server, first)
    await server.scheduler.fire_due()
    assert server.ticks.holding == set()


# --- jitter ---


async def test_jitter_delays_the_start_and_not_the_tick(store: SqlStore, clock: Clock) -> None:
    made = deployment("d", "0 * * * *", schedule_options=ScheduleOptions(jitter_s=1800))
    await store.add_deployment(made)
    wake_at = made.wake_time(TEN)
    assert TEN + timedelta(seconds=1) < wake_at < TEN + timedelta(seconds=1800)
    assert await Server(store, "s", clock.now).scheduler.fire_due() == wake_at
    clock.instant = wake_at - timedelta(milliseconds=1)
    await Server(store, "s", clock.now).scheduler.fire_due()
    assert await executions(store) == []
    clock.instant = wake_at
    assert await Server(store, "s", clock.now).scheduler.fire_due() == made.wake_time(TEN + timedelta(hours=1))
    assert [one.due_at for one in await executions(store)] == [TEN]


async def test_two_schedulers_on_one_store_fire_each_tick_once(store: SqlStore, clock: Clock) -> None:
    names = [f"d{n}" for n in range(30)]
    for name in names:
        await store.add_deployment(deployment(name, "* * * * *"))
    servers = [Server(store, name, clock.now) for name in ("s1", "s2")]
    for _ in range(5):
        clock.move(minutes=1)
        await asyncio.gather(*(server.scheduler.fire_due() for server in servers))
    found = await executions(store)
    assert len({(one.deployment_name, one.due_at) for one in found}) == len(found) == 5 * len(names)
    assert sorted(servers[0].lanes.dispatched + servers[1].lanes.dispatched) == sorted(one.id for one in found)
    for server in servers:  # whoever was second keeps no place
        for name in names:
            for _ in range(1000 - sum(one.id in server.lanes.dispatched for one in found if one.deployment_id == name)):
                server.lanes.admit(name)


async def test_more_than_a_page_is_fired_whole(store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "PAGE", 7)
    for number in range(20):
        await store.add_deployment(deployment(f"d{number}", "* * * * *"))
    clock.move(minutes=1)
    server = Server(store, "s", clock.now)
    await server.scheduler.fire_due()
    assert len(set(server.lanes.dispatched)) == len(await executions(store)) == 20


async def test_one_that_cannot_be_fired_holds_up_no_other_and_is_tried_again(
    opened: tuple[SqlStore, InlineDatabase], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store, database = opened
    await store.add_deployment(deployment("bad", "* * * * *"))
    await store.add_deployment(deployment("good", "* * * * *"))
    clock.move(minutes=1)
    server = Server(store, "s", clock.now)
    failures = iter([OSError("disk full")] * 2)  # for both at once, then for the first alone

    def fault(place: str) -> None:
        if place == "before a commit":
            for failure in failures:
                raise failure

    database.fault = fault
    assert await server.scheduler.fire_due() == TEN + MINUTE
    assert "deployment bad could not be fired" in caplog.text
    assert [one.deployment_name for one in await executions(store)] == ["good"]
    await server.scheduler.fire_due()
    assert [one.deployment_name for one in await executions(store)] == ["good", "bad"]


async def test_what_exists_and_is_not_due_costs_nothing(opened: tuple[SqlStore, InlineDatabase], clock: Clock) -> None:
    store, database = opened
    for number in range(50):
        await store.add_deployment(deployment(f"d{number}", "0 0 1 1 *"))
    await store.add_deployment(deployment("due", "* * * * *"))
    asked: list[str] = []
    database.fault = asked.append
    server = Server(store, "s", clock.now)
    await server.scheduler.fire_due()
    assert asked == ["before a read"] * 3
    asked.clear()
    clock.move(minutes=1)
    await server.scheduler.fire_due()
    assert asked == ["before a read", "before a commit", "after a commit", "before a read", "before a read"]


# --- the loop, in real time ---


async def test_it_fires_when_it_is_time_and_wakes_for_what_is_new(store: SqlStore) -> None:
    server = Server(store, "s", real_clock.now)
    server.scheduler.start()
    for _ in range(20):
        await asyncio.sleep(0)  # it has looked, and would sleep for seconds
    due_at = real_clock.now() + timedelta(seconds=0.3)
    await store.add_deployment(deployment("d", "0 0 1 1 *", next_fire_at=due_at))
    server.scheduler.look_again()
    async with asyncio.timeout(3):  # it would have slept for longer
        await server.lanes.got_one.wait()
    assert real_clock.now() >= due_at
    await server.scheduler.stop()
    found = await store.get_deployment_by_id("d")
    assert found is not None
    assert found.next_fire_at == Schedule("0 0 1 1 *").next_after(due_at)


async def test_the_loop_survives_a_store_that_cannot_be_read(
    opened: tuple[SqlStore, InlineDatabase], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduler_module, "LONGEST_SLEEP_S", 0.01)
    store, database = opened
    past = real_clock.now().replace(microsecond=0) - timedelta(seconds=1)
    await store.add_deployment(deployment("d", "0 0 1 1 *", next_fire_at=past))
    failures = iter([OSError("disk gone")] * 3)

    def fault(place: str) -> None:
        for failure in failures:
            raise failure

    database.fault = fault
    server = Server(store, "s", real_clock.now)
    server.scheduler.start()
    async with asyncio.timeout(3):
        await server.lanes.got_one.wait()
    await server.scheduler.stop()
    assert caplog.text.count("could not look for what is due") == 3


async def test_a_scheduler_that_was_stopped_fires_no_more(store: SqlStore) -> None:
    server = Server(store, "s", real_clock.now)
    server.scheduler.start()
    await server.scheduler.stop()
    past = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    await store.add_deployment(deployment("d", "* * * * *", next_fire_at=past))
    server.scheduler.look_again()
    for _ in range(20):
        await asyncio.sleep(0)
    assert await executions(store) == []


async def test_what_was_planned_ahead_fires_without_a_read_and_says_it_was_accepted_when_due(
    opened: tuple[SqlStore, InlineDatabase], clock: Clock
) -> None:
    store, database = opened
    for name in ("a", "b"):
        await store.add_deployment(deployment(name, "* * * * *"))
    server = Server(store, "s", clock.now)
    clock.move(seconds=26)
    await server.scheduler.plan_ahead(TEN)
    steps: list[str] = []
    database.fault = steps.append
    clock.move(seconds=4, microseconds=700)
    await server.scheduler.fire_due()
    assert steps[:2] == ["before a commit", "after a commit"]
    found = await executions(store)
    assert [(one.deployment_name, one.due_at, one.created_at) for one in found] == [("a", TEN, TEN), ("b", TEN, TEN)]
    assert server.lanes.dispatched == [one.id for one in found]


async def test_what_has_jitter_and_a_zone_is_planned_for_its_own_time(
    opened: tuple[SqlStore, InlineDatabase], clock: Clock
) -> None:
    store, database = opened
    in_kolkata = Schedule("30 15 * * *", "Asia/Kolkata")
    made = deployment("d", in_kolkata, schedule_options=ScheduleOptions(jitter_s=600))
    await store.add_deployment(made)
    assert made.wake_at is not None
    assert made.next_fire_at == TEN < made.wake_at
    server = Server(store, "s", clock.now)
    clock.instant = made.wake_at - timedelta(seconds=4)
    await server.scheduler.plan_ahead(made.wake_at)
    clock.instant = made.wake_at - timedelta(milliseconds=1)
    await server.scheduler.fire_due()
    assert await executions(store) == []
    steps: list[str] = []
    database.fault = steps.append
    clock.instant = made.wake_at
    assert await server.scheduler.fire_due() == made.wake_time(TEN + timedelta(days=1))
    assert steps[:2] == ["before a commit", "after a commit"]
    assert [(one.due_at, one.created_at) for one in await executions(store)] == [(TEN, made.wake_at)]


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ONE])
async def test_what_depends_on_the_open_executions_is_decided_at_its_time(
    store: SqlStore, clock: Clock, overlap: Overlap
) -> None:
    for name in ("busy", "idle"):
        await store.add_deployment(deployment(name, "* * * * *", schedule_options=ScheduleOptions(overlap=overlap)))
    await store.add_deployment(deployment("other", "* * * * *"))
    server = Server(store, "s", clock.now)
    busy = await store.get_deployment_by_id("busy")
    assert busy is not None
    clock.move(seconds=28)
    await server.scheduler.plan_ahead(TEN)
    assert [one.deployment.name for one in server.scheduler._planned] == ["other"]
    await server.fires.run_now(busy, "bob")  # asked for by hand: it is an open one for the ticks that follow
    clock.move(seconds=2)
    await server.scheduler.fire_due()
    ticks = {(one.deployment_name, one.status.value) for one in await executions(store) if one.due_at is not None}
    skipped = {("busy", "Skipped")} if overlap is Overlap.SKIP else set()
    assert ticks == {("idle", "Pending"), ("other", "Pending")} | skipped
    assert server.ticks.holding == ({"busy"} if overlap is Overlap.BUFFER_ONE else set())


async def test_what_is_not_near_is_not_planned(store: SqlStore, clock: Clock) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    server = Server(store, "s", clock.now)
    await server.scheduler.plan_ahead(TEN)
    assert server.scheduler._planned == []


@pytest.mark.parametrize("happened", ["a new value", "disabled", "deleted", "later", "fired by another server", "full"])
async def test_a_plan_that_is_not_true_any_more_is_not_what_fires(store: SqlStore, clock: Clock, happened: str) -> None:
    made = deployment("d", "* * * * *")
    await store.add_deployment(made)
    server = Server(store, "s", clock.now, most=1)
    clock.move(seconds=28)
    await server.scheduler.plan_ahead(TEN)
    changed = replace(made, updated_at=clock.instant)
    clock.move(seconds=2)
    if happened == "a new value":
        await store.update_deployment(replace(changed, inputs_mapping=(replace(made.inputs_mapping[0], at=8),)))
    elif happened == "disabled":
        await store.update_deployment(replace(changed, is_enabled=False, next_fire_at=None), reschedule=True)
    elif happened == "deleted":
        await store.delete_deployment("d")
    elif happened == "later":
        clock.move(minutes=2)
    elif happened == "full":
        server.lanes.admit("d")
    else:
        await Server(store, "other", clock.now).scheduler.fire_due()
    await server.scheduler.fire_due()
    found = [(one.due_at, one.status.value, await store.get_input_values(one.id)) for one in await executions(store)]
    ran = (TEN, "Pending", '{"n":7}')
    assert (
        found
        == {
            "a new value": [(TEN, "Pending", '{"n":8}')],
            "disabled": [],
            "deleted": [],
            "later": [(TEN + n * MINUTE, "Skipped", "{}") for n in range(2)] + [(TEN + 2 * MINUTE, *ran[1:])],
            "fired by another server": [ran],
            "full": [(TEN, "Skipped", "{}")],
        }[happened]
    )
    if happened != "full":  # no place is kept by the plan
        assert sum(server.lanes.places._taken.values()) == len(server.lanes.dispatched)


# --- a schedule that is changed ---


async def test_a_change_deals_with_the_tick_that_is_due_and_waits_for_its_jitter(
    store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_clock, "now", clock.now)
    changes = {
        "schedule": {"schedule": "*/5 * * * *"},
        "zone": {"schedule_time_zone": "Asia/Kathmandu"},
        "pause": {"schedule_paused_until": "2027-02-01T00:00:00Z"},
        "disabled": {"is_enabled": False},
    }
    options = ScheduleOptions(jitter_s=1800)
    server, made = Server(store, "s", clock.now), {}
    for name in changes:
        made[name] = deployment(name, "0 * * * *", schedule_options=options)
        await store.add_deployment(made[name])
    clock.instant = TEN
    await server.scheduler.fire_due()
    assert await executions(store) == []
    assert min(one.wake_time(TEN) for one in made.values()) > TEN + timedelta(seconds=1)
    clock.move(seconds=1)
    for name, fields in changes.items():
        changed = await server.deployments.update("e", "bob", name, fields)
        assert changed.next_fire_at is None or changed.next_fire_at > clock.instant
    found = await executions(store)
    assert [(one.deployment_name, one.due_at, one.status.value) for one in found] == [
        (name, TEN, "Pending") for name in changes
    ]
    assert server.lanes.dispatched == [one.id for one in found]


async def test_a_tick_that_falls_into_a_change_is_not_passed_by(
    opened: tuple[SqlStore, InlineDatabase], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_clock, "now", clock.now)
    store, database = opened
    await store.add_deployment(deployment("d", "* * * * *"))
    server = Server(store, "s", clock.now)
    clock.instant = TEN + timedelta(seconds=59)

    def fault(place: str) -> None:
        if place == "after a commit":  # of the tick that was due: the change itself is not written yet
            clock.instant = TEN + MINUTE

    database.fault = fault
    changed = await server.deployments.update("e", "bob", "d", {"schedule_time_zone": "Asia/Kathmandu"})
    assert changed.next_fire_at == TEN + MINUTE


async def test_to_end_a_pause_that_there_is_not_is_no_change(
    store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_clock, "now", clock.now)
    await store.add_deployment(deployment("d", "0 * * * *", schedule_options=ScheduleOptions(jitter_s=1800)))
    before = await store.get_deployment_by_id("d")
    clock.instant = TEN
    server = Server(store, "s", clock.now)
    for past in (TEN, TEN - MINUTE):
        assert await server.deployments.update("e", "b", "d", {"schedule_paused_until": past.isoformat()}) == before
    assert await executions(store) == []


async def test_after_a_clock_that_was_far_ahead_a_change_begins_anew_and_repeats_nothing(
    store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(real_clock, "now", clock.now)
    server = Server(store, "s", clock.now)
    changes: dict[str, list[dict[str, object]]] = {
        "toggled": [{"is_enabled": False}, {"is_enabled": True}],
        "other": [{"schedule": "*/2 * * * *"}],
    }
    for name in changes:
        await store.add_deployment(deployment(name, "* * * * *"))
    clock.move(days=400)
    await server.scheduler.fire_due()
    clock.move(days=-400)
    for _ in range(2):
        clock.move(minutes=1)
        await server.scheduler.fire_due()
    assert "the clock was set back, from 2028-02-05T09:59:30.000Z to 2027-01-01T10:00:30.000Z" in caplog.text
    before = await executions(store)  # the first tick, of 10:00, was dealt with while the clock was ahead
    for name, fields in changes.items():
        for field in fields:
            await server.deployments.update("e", "bob", name, field)
    assert "deployment toggled: the clock was ahead, at 2028-02-05T09:59:00.000Z" in caplog.text
    for _ in range(3):
        clock.move(minutes=1)
        await server.scheduler.fire_due()
    new = [(one.deployment_name, one.due_at - TEN) for one in (await executions(store))[len(before) :]]
    assert sorted(new) == [("other", 2 * MINUTE), ("other", 4 * MINUTE)] + [
        ("toggled", number * MINUTE) for number in (2, 3, 4)
    ]


async def test_null_takes_back_the_window_and_the_pause(
    store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_clock, "now", clock.now)
    options = ScheduleOptions(catch_up_s=60, paused_until=TEN + timedelta(days=9))
    await store.add_deployment(deployment("d", "0 * * * *", schedule_options=options))
    server = Server(store, "s", clock.now)
    changed = await server.deployments.update("e", "bob", "d", {"schedule_catch_up_s": None})
    assert changed.schedule_options == replace(options, catch_up_s=None)
    changed = await server.deployments.update("e", "bob", "d", {"schedule_paused_until": None})
    assert (changed.schedule_options, changed.next_fire_at) == (ScheduleOptions(), TEN)
    assert await store.get_deployment_by_id("d") == changed


# --- plans and the clock ---


async def test_a_plan_is_no_obstacle_once_the_clock_was_set_back(store: SqlStore, clock: Clock) -> None:
    await store.add_deployment(deployment("later", "0 10 * * *"))
    server = Server(store, "s", clock.now)
    clock.move(seconds=28)
    await server.scheduler.plan_ahead(TEN)
    clock.move(hours=-2)
    await store.add_deployment(deployment("sooner", "* * * * *", clock.instant))
    soon = TEN - timedelta(hours=2)
    await server.scheduler.plan_ahead(soon)
    assert [one.deployment.name for one in server.scheduler._planned] == ["sooner"]


@pytest.mark.parametrize(("late_s", "is_planned"), [(0.999, True), (1.001, False)])
async def test_what_is_noticed_too_late_does_not_say_that_it_was_accepted_when_due(
    store: SqlStore, clock: Clock, late_s: float, is_planned: bool
) -> None:
    await store.add_deployment(deployment("d", "* * * * *"))
    server = Server(store, "s", clock.now)
    clock.move(seconds=28)
    await server.scheduler.plan_ahead(TEN)
    clock.move(seconds=2 + late_s)
    await server.scheduler.fire_due()
    (found,) = await executions(store)
    assert (found.created_at == TEN) is is_planned


async def test_a_plan_that_another_tick_has_overtaken_is_not_what_fires(store: SqlStore, clock: Clock) -> None:
    """By its jitter a tick may be fired right before the next one."""
    made = deployment("d", "* * * * *")
    half = timedelta(seconds=0.5)
    await store.add_deployment(replace(made, wake_at=TEN + MINUTE - half))
    server = Server(store, "s", clock.now)
    clock.instant = TEN + MINUTE - timedelta(seconds=3)
    await server.scheduler.plan_ahead(TEN + MINUTE - half)
    clock.instant = TEN + MINUTE + timedelta(seconds=0.3)  # punctual, and the next one is due as well
    await server.scheduler.fire_due()
    assert [(one.due_at, one.status.value) for one in await executions(store)] == [
        (TEN, "Skipped"),
        (TEN + MINUTE, "Pending"),
    ]


async def test_what_was_deleted_is_forgotten(store: SqlStore, clock: Clock) -> None:
    options = ScheduleOptions(overlap=Overlap.BUFFER_ONE)
    await store.add_deployment(deployment("d", "* * * * *", schedule_options=options))
    server = Server(store, "s", clock.now)
    for _ in range(2):
        clock.move(minutes=1)
        await server.scheduler.fire_due()
    assert (len(server.ticks.fire_times._due), server.ticks.holding) == (1, {"d"})
    await server.deployments.delete("e", "d")
    assert (server.ticks.fire_times._due, server.ticks.holding) == ({}, set())
