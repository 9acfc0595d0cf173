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
from pipeyard.domain.executions import Execution, ExecutionFilter, ExecutionStatus
from pipeyard.domain.schedules import Schedule
from pipeyard.domain.ticks import MISSED_RECORDED_MAX
from pipeyard.engine import scheduler as scheduler_module
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
    failures = iter([OSError("disk full")])

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


async def test_it_fires_on_time_and_wakes_for_what_is_new(store: SqlStore) -> None:
    server = Server(store, "s", real_clock.now)
    server.scheduler.start()
    for _ in range(20):
        await asyncio.sleep(0)  # it has looked, and would sleep for seconds
    due_at = real_clock.now() + timedelta(seconds=0.3)
    await store.add_deployment(deployment("d", "0 0 1 1 *", next_fire_at=due_at))
    server.scheduler.look_again()
    async with asyncio.timeout(3):
        await server.lanes.got_one.wait()
    late_s = (real_clock.now() - due_at).total_seconds()
    assert -0.001 <= late_s < 0.25
    await server.scheduler.stop()
    found = await store.get_deployment_by_id("d")
    assert found is not None
    assert found.next_fire_at == Schedule("0 0 1 1 *").next_after(real_clock.now())


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
