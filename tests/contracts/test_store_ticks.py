"""What every store does: ticks of periodic deployments. Each is dealt with once, and its execution with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from store_samples import NOON, deployment, environment, execution, later, of_pipeline, pipeline, succeeded
from test_store import STORES

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import ExecutionStatus, Failure, Tick
from pipeyard.domain.firings import Firing
from pipeyard.domain.modes import Rule
from pipeyard.domain.schedule_options import Overlap, ScheduleOptions
from pipeyard.domain.schedules import Schedule
from pipeyard.domain.ticks import Onward
from pipeyard.errors import ConflictError
from pipeyard.store_ports import Store

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
MISSED = Failure("missed", "nobody was there", "run it by hand")
HOURLY = {"rule": Rule.PERIODIC, "endpoint_url_path": None, "endpoint_token": None, "schedule": Schedule("0 * * * *")}


def periodic(name: str = "hourly", **changes: object) -> Deployment:
    times = {"next_fire_at": NOON, "wake_at": changes.get("next_fire_at", NOON)}
    return deployment(name, **{**HOURLY, **times, **changes})


def onward(next_fire_at: datetime = NOON + MINUTE, newest: datetime = NOON, **changes: Any) -> Onward:
    return replace(Onward(next_fire_at, next_fire_at, newest), **changes)


def tick(name: str, after: timedelta = timedelta(), **changes: object) -> Tick:
    return replace(Tick(NOON + after, execution(name, deployed_as="hourly")), **changes)


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = STORES[request.param](tmp_path)
    await opened.add_environment(environment())
    await opened.add_pipeline(pipeline())
    await opened.add_deployment(periodic())
    yield opened
    await opened.close()


async def fire(
    store: Store, read: Deployment, ticks: Sequence[Tick], then: Onward, server_id: str
) -> frozenset[str] | None:
    (stored,) = await store.add_ticks([Firing(read, ticks, then)], server_id)
    return stored


async def reread(store: Store) -> Deployment:
    found = await store.get_deployment_by_id(periodic().id)
    assert found is not None
    return found


async def test_a_schedule_comes_back_as_it_was_stored(store: Store) -> None:
    assert await reread(store) == periodic()
    await store.add_deployment(periodic("fired", last_fire_at=later(-60)))
    assert (await store.get_deployment(environment().id, "fired")) == periodic("fired", last_fire_at=later(-60))


async def test_a_tick_and_its_execution_are_stored_together_and_the_deployment_moves_on(store: Store) -> None:
    assert await fire(store, periodic(), [tick("x")], onward(), "s1") == {"x"}
    assert await reread(store) == periodic(next_fire_at=NOON + MINUTE, last_fire_at=NOON, last_tick_at=NOON)
    found = await store.get_execution("x")
    assert found is not None
    assert (found.status, found.due_at, found.deployment_name) == (ExecutionStatus.PENDING, NOON, "hourly")
    assert await store.start_execution("x", "s1", later(1))
    assert [row.due_at for row in await store.list_executions(of_pipeline())] == [NOON]


async def test_an_execution_without_a_schedule_is_due_at_no_time(store: Store) -> None:
    await store.add_execution(execution("x", deployed_as="hourly"), "s1")
    found = await store.get_execution("x")
    assert found is not None
    assert found.due_at is None


async def test_of_two_who_read_the_same_deployment_one_fires(store: Store) -> None:
    read = [await reread(store), await reread(store)]
    writes = [fire(store, one, [tick(f"x{n}")], onward(), f"s{n}") for n, one in enumerate(read)]
    assert await asyncio.gather(*writes) == [{"x0"}, None]
    assert [row.id for row in await store.list_executions(of_pipeline())] == ["x0"]


async def test_a_tick_is_dealt_with_once_even_if_its_time_comes_again(store: Store) -> None:
    await fire(store, periodic(), [tick("x")], onward(), "s1")
    await store.finish_execution("x", "s1", succeeded())
    for name in ("again", "and again"):
        # The clock was set back, and somebody changed the schedule.
        await store.update_deployment(replace(await reread(store), next_fire_at=NOON, wake_at=NOON), reschedule=True)
        assert await fire(store, await reread(store), [tick(name)], onward(), "s1") == set()
        assert (await reread(store)).next_fire_at == NOON + MINUTE
        await store.delete_execution("x")  # gone, but not forgotten
    assert await store.list_executions(of_pipeline()) == []


async def test_skipped_ticks_are_final_and_say_why(store: Store) -> None:
    ticks = [tick("old", skipped=MISSED), tick("older", MINUTE, skipped=MISSED), tick("newest", 2 * MINUTE)]
    assert await fire(store, periodic(), ticks, onward(NOON + 3 * MINUTE, NOON + 2 * MINUTE), "s1") == {
        "old",
        "older",
        "newest",
    }
    assert (await reread(store)).last_fire_at == NOON + 2 * MINUTE
    listed = await store.list_executions(of_pipeline())
    assert [(row.id, row.status.value) for row in listed] == [
        ("newest", "Pending"),
        ("older", "Skipped"),
        ("old", "Skipped"),
    ]
    found = await store.get_execution("old")
    assert found is not None
    assert (found.failure, found.ended_at, found.started_at, found.due_at) == (MISSED, NOON, None, NOON)
    assert not await store.start_execution("old", "s1", later(1))
    assert [one.id for one in await store.list_open_executions()] == ["newest"]
    assert await store.delete_execution("old")


async def test_a_skipped_tick_is_no_fire_time(store: Store) -> None:
    await fire(store, periodic(), [tick("x", skipped=MISSED)], onward(), "s1")
    assert await reread(store) == periodic(next_fire_at=NOON + MINUTE, last_tick_at=NOON)


@pytest.mark.parametrize(
    "change",
    [
        {"next_fire_at": None, "is_enabled": False},
        {"schedule": Schedule("5 * * * *"), "next_fire_at": later(300)},
        {"inputs_mapping": (), "updated_at": later(1)},
    ],
)
async def test_a_deployment_that_was_changed_meanwhile_does_not_fire(store: Store, change: dict[str, object]) -> None:
    changed = replace(periodic(), **change, wake_at=change.get("next_fire_at", NOON))  # type: ignore[arg-type]
    await store.update_deployment(changed, reschedule=True)
    assert await fire(store, periodic(), [tick("x")], onward(), "s1") is None
    assert await reread(store) == changed
    assert await store.list_executions(of_pipeline()) == []


async def test_a_deployment_that_is_gone_does_not_fire(store: Store) -> None:
    await store.delete_deployment(periodic().id)
    assert await fire(store, periodic(), [tick("x")], onward(), "s1") is None
    await store.add_deployment(periodic())  # its ticks went with it
    assert await fire(store, periodic(), [tick("x")], onward(), "s1") == {"x"}


async def test_ticks_are_stored_all_or_none(store: Store) -> None:
    await store.add_execution(execution("taken"), "s1")
    with pytest.raises(ConflictError, match="taken"):
        await fire(store, periodic(), [tick("x", skipped=MISSED), tick("taken", MINUTE)], onward(later(999)), "s1")
    assert await reread(store) == periodic()
    assert [row.id for row in await store.list_executions(of_pipeline())] == ["taken"]


async def test_an_update_leaves_the_next_fire_time_to_the_ticks(store: Store) -> None:
    read = await reread(store)
    await fire(store, read, [tick("x")], onward(), "s1")
    assert await store.update_deployment(replace(read, updated_by="bob"))
    moved = periodic(next_fire_at=NOON + MINUTE, last_fire_at=NOON, last_tick_at=NOON)
    assert await reread(store) == replace(moved, updated_by="bob")


async def test_what_is_due_is_listed_by_the_page_the_longest_due_first(store: Store) -> None:
    for name, at in (("c", later(-1)), ("b", later(-2)), ("a", later(-1)), ("later", later(1)), ("off", None)):
        await store.add_deployment(periodic(name, next_fire_at=at))
    await store.add_deployment(deployment("endpoint"))
    names, last = [], None
    while page := await store.list_due(NOON, last, 2):
        assert len(page) <= 2
        names += [one.name for one in page]
        last = page[-1]
    assert names == ["b", "a", "c", "hourly"]
    assert await store.list_due(later(-3), None, 9) == []


async def test_the_next_fire_time_is_the_first_that_is_later(store: Store) -> None:
    assert await store.next_wake_at(later(-1)) == NOON
    assert await store.next_wake_at(NOON) is None
    await store.add_deployment(periodic("off", next_fire_at=None))
    await store.add_deployment(periodic("later", next_fire_at=later(5)))
    await store.add_deployment(periodic("much later", next_fire_at=later(9)))
    assert await store.next_wake_at(NOON) == later(5)


async def test_many_deployments_fire_in_one_write_and_those_that_were_changed_do_not(store: Store) -> None:
    names = ["a", "b", "c"]
    for name in names:
        await store.add_deployment(periodic(name))
    await store.update_deployment(periodic("b", next_fire_at=later(300)), reschedule=True)
    firings = [
        Firing(periodic(name), [Tick(NOON, execution(f"of-{name}", deployed_as=name))], onward()) for name in names
    ]
    assert await store.add_ticks(firings, "s1") == [{"of-a"}, None, {"of-c"}]
    assert [row.deployment_name for row in await store.list_executions(of_pipeline())] == ["c", "a"]


async def test_a_tick_that_was_skipped_can_be_made_up_for_and_one_that_was_run_cannot(store: Store) -> None:
    ran, skipped = tick("ran"), tick("skipped", MINUTE, skipped=MISSED)
    await fire(store, periodic(), [ran, skipped], onward(NOON + 2 * MINUTE, NOON + MINUTE), "s1")
    again = [tick(f"again-{n}", n * MINUTE) for n in range(3)]
    assert await store.add_missing_ticks(again, "s1") == {"again-1", "again-2"}
    assert await store.add_missing_ticks([tick(f"twice-{n}", n * MINUTE) for n in range(3)], "s1") == set()
    rows = await store.list_executions(of_pipeline())
    assert [(row.id, row.due_at, row.status.value) for row in rows] == [
        ("again-2", NOON + 2 * MINUTE, "Pending"),
        ("again-1", NOON + MINUTE, "Pending"),
        ("skipped", NOON + MINUTE, "Skipped"),
        ("ran", NOON, "Pending"),
    ]
    # The clock comes there, and finds it done.
    assert (
        await fire(
            store, await reread(store), [tick("late", 2 * MINUTE)], onward(NOON + 3 * MINUTE, NOON + 2 * MINUTE), "s1"
        )
        == set()
    )
    open_ones = {one.id: one.due_at for one in await store.list_open_executions()}
    assert open_ones == {"ran": NOON, "again-1": NOON + MINUTE, "again-2": NOON + 2 * MINUTE}


async def test_missing_ticks_of_a_deployment_that_is_gone_are_refused(store: Store) -> None:
    await store.delete_deployment(periodic().id)
    with pytest.raises(ConflictError, match="deleted"):
        await store.add_missing_ticks([tick("x")], "s1")


# --- ticks that wait, and executions that are open ---


async def test_options_of_a_schedule_come_back_as_they_were_stored_and_can_be_changed(store: Store) -> None:
    options = ScheduleOptions(90, later(9), Overlap.BUFFER_ONE, 60)
    there = periodic("there", schedule=Schedule("0 9 * * *", "Asia/Gaza"), schedule_options=options, wake_at=later(7))
    await store.add_deployment(there)
    assert await store.get_deployment_by_id(there.id) == there
    changed = replace(
        there, schedule=Schedule("1 9 * * *", "UTC"), schedule_options=ScheduleOptions(), wake_at=later(99)
    )
    await store.update_deployment(changed)
    assert await store.get_deployment_by_id(there.id) == replace(changed, wake_at=later(7))
    await store.update_deployment(changed, reschedule=True)
    assert await store.get_deployment_by_id(there.id) == changed


async def test_a_deployment_is_due_when_its_tick_is_fired_jitter_and_all(store: Store) -> None:
    await store.add_deployment(periodic("late", wake_at=later(30)))
    assert [one.name for one in await store.list_due(later(29), None, 9)] == ["hourly"]
    assert [one.name for one in await store.list_due(later(30), None, 9)] == ["hourly", "late"]
    assert await store.next_wake_at(NOON) == later(30)


async def test_a_tick_is_held_without_an_execution_until_none_is_open(store: Store) -> None:
    await fire(store, periodic(), [tick("x")], onward(), "s1")
    assert await store.has_open_execution(periodic().id)
    assert not await store.has_open_execution("other")
    read = await reread(store)
    holding = onward(NOON + 2 * MINUTE, NOON + MINUTE, held_tick_at=NOON + MINUTE)
    assert await fire(store, read, [], holding, "s1") == frozenset()
    held = await reread(store)
    assert (held.held_tick_at, held.last_tick_at, held.last_fire_at) == (NOON + MINUTE, NOON + MINUTE, NOON)
    assert await store.list_freed() == []
    await store.start_execution("x", "s1", later(1))
    assert await store.list_freed() == []
    await store.finish_execution("x", "s1", succeeded())
    assert not await store.has_open_execution(periodic().id)
    assert await store.list_freed() == [held]
    fired = onward(NOON + 2 * MINUTE, NOON + MINUTE, needs_idle=True)
    assert await fire(store, held, [tick("y", MINUTE)], fired, "s1") == {"y"}
    assert await store.list_freed() == []
    assert await fire(store, held, [tick("z", MINUTE)], fired, "s1") is None
    assert (await reread(store)).last_fire_at == NOON + MINUTE


async def test_what_needs_an_idle_deployment_changes_nothing_while_an_execution_is_open(store: Store) -> None:
    await store.add_execution(execution("x", deployed_as="hourly"), "s1")
    assert await fire(store, periodic(), [tick("y")], onward(needs_idle=True), "s2") is None
    assert await reread(store) == periodic()
    await store.finish_execution("x", "s1", succeeded())
    assert await fire(store, periodic(), [tick("y")], onward(needs_idle=True), "s2") == {"y"}


async def test_a_held_tick_of_a_disabled_deployment_can_be_recorded(store: Store) -> None:
    await fire(store, periodic(), [], onward(held_tick_at=NOON), "s1")
    off = replace(await reread(store), is_enabled=False, next_fire_at=None, wake_at=None)
    await store.update_deployment(off, reschedule=True)
    (freed,) = await store.list_freed()
    assert freed == off
    given_up = Onward(None, None, NOON)
    assert await fire(store, freed, [tick("x", skipped=MISSED)], given_up, "s1") == {"x"}
    assert await reread(store) == replace(off, held_tick_at=None)
