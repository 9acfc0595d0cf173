"""While the database or the data store is away: pods live on, and what was accepted runs once they are back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.engine.lanes import PodInMemory, WorkshopInMemory, deployment, execution

from pipeyard.domain.deployments import DeploymentStatus
from pipeyard.domain.executions import ExecutionStatus
from pipeyard.engine import low_latency as low_latency_lanes
from pipeyard.engine import patience
from pipeyard.engine.elastic import ElasticLane
from pipeyard.engine.low_latency import LowLatencyLane
from pipeyard.errors import ConflictError, UnavailableError

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(patience, "LONGEST_DELAY_S", 0.002)


@pytest.fixture
async def workshop() -> AsyncIterator[WorkshopInMemory]:
    workshop = WorkshopInMemory()
    yield workshop
    await workshop.tasks.cancel_all()


def low_latency(workshop: WorkshopInMemory) -> LowLatencyLane:
    lane = LowLatencyLane(workshop, deployment(), 1.0)  # type: ignore[arg-type]
    lane.start()
    return lane


def elastic(workshop: WorkshopInMemory, *execution_ids: str) -> ElasticLane:
    """With one place."""
    lane = ElasticLane(workshop, 1)  # type: ignore[arg-type]
    for execution_id in execution_ids:
        lane.submit(execution_id)
    return lane


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  # several things change it
            await asyncio.sleep(0)


@pytest.mark.parametrize("away", ["database", "data store"])
async def test_a_warm_pod_stays_up_and_gets_what_waited_when_all_is_back(workshop: WorkshopInMemory, away: str) -> None:
    lane = low_latency(workshop)
    await until(lambda: lane.status is DeploymentStatus.UP)
    lane.submit(execution("running"))
    await until(lambda: workshop.given)
    workshop.away.add(away)
    lane.submit(execution("waiting"))
    await asyncio.sleep(0.02)
    workshop.away.clear()
    await until(lambda: len(workshop.given) == 2)
    assert workshop.given == [("pod-0", "running"), ("pod-0", "waiting")]
    assert workshop.ends == {}
    assert not workshop.pods[0].gone.is_set()


async def test_others_go_on_while_the_objects_of_one_are_away(workshop: WorkshopInMemory) -> None:
    lane = low_latency(workshop)
    workshop.away.add("objects of one")
    lane.submit(execution("one"))
    await workshop.asked.wait()
    lane.submit(execution("two"))
    await until(lambda: workshop.given == [("pod-0", "two")])
    workshop.away.clear()
    await until(lambda: workshop.given == [("pod-0", "two"), ("pod-0", "one")])


@pytest.mark.parametrize("kind", ["low latency", "elastic"])
async def test_what_cannot_be_given_for_too_long_ends_with_the_reason(
    workshop: WorkshopInMemory, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.01)
    workshop.away.add("data store")
    lane = low_latency(workshop) if kind == "low latency" else ElasticLane(workshop, 1)  # type: ignore[arg-type]
    lane.submit(execution("one") if isinstance(lane, LowLatencyLane) else "one")
    await until(lambda: workshop.ends)
    assert workshop.ends["one"][0] is ExecutionStatus.ERROR
    workshop.away.clear()
    lane.submit(execution("two") if isinstance(lane, LowLatencyLane) else "two")
    await until(lambda: [name for _, name in workshop.given] == ["two"])


async def test_a_deployment_is_created_although_the_database_was_away(workshop: WorkshopInMemory) -> None:
    workshop.away.add("database")
    lane = low_latency(workshop)
    await workshop.asked.wait()
    workshop.away.clear()
    await until(lambda: workshop.statuses == [DeploymentStatus.UP])
    assert lane.status is DeploymentStatus.UP


async def test_a_deployment_that_is_deleted_meanwhile_gives_nothing_more(workshop: WorkshopInMemory) -> None:
    lane = low_latency(workshop)
    await until(lambda: lane.status is DeploymentStatus.UP)
    workshop.away.add("data store")
    lane.submit(execution("one"))
    await workshop.asked.wait()
    await lane.stop(drain=False)
    workshop.away.clear()
    await asyncio.sleep(0.02)
    assert workshop.given == []


async def test_a_disabled_deployment_ends_when_what_waited_has_run(workshop: WorkshopInMemory) -> None:
    lane = low_latency(workshop)
    await until(lambda: lane.status is DeploymentStatus.UP)
    workshop.away.add("data store")
    lane.submit(execution("one"))
    await workshop.asked.wait()
    await lane.stop(drain=True)
    workshop.away.clear()
    await until(lambda: workshop.given)
    assert not workshop.pods[0].gone.is_set()
    workshop.pods[0].finish("one")
    await until(workshop.pods[0].gone.is_set)


async def test_what_waited_for_the_data_store_keeps_its_order(workshop: WorkshopInMemory) -> None:
    lane = low_latency(workshop)
    await until(lambda: lane.status is DeploymentStatus.UP)
    workshop.away.add("data store")
    for execution_id in "abcde":
        lane.submit(execution(execution_id))
    await until(lambda: workshop.times_asked > 10)
    workshop.away.clear()
    await until(lambda: workshop.ids_given == list("abcde"))


async def test_what_a_lost_connection_put_back_is_given_once(workshop: WorkshopInMemory) -> None:
    lane = low_latency(workshop)
    await until(lambda: lane.status is DeploymentStatus.UP)
    give = workshop.give

    async def lose_the_connection_and_the_object(pod: PodInMemory, *given: Any) -> bool:
        workshop.give = give  # type: ignore[method-assign]
        pod.on_missing(["one"])
        raise UnavailableError("in the middle of a file")

    workshop.give = lose_the_connection_and_the_object  # type: ignore[method-assign,assignment]
    lane.submit(execution("one"))
    await until(lambda: workshop.given)
    await asyncio.sleep(0.02)
    assert workshop.ids_given == ["one"]


async def test_a_deployment_whose_pod_cannot_be_described_is_deleted_all_the_same(workshop: WorkshopInMemory) -> None:
    workshop.away.add("database")
    lane = low_latency(workshop)
    await workshop.asked.wait()
    async with asyncio.timeout(5):
        await lane.stop(drain=False)
    assert workshop.pods == []


async def test_a_disabled_deployment_with_work_left_starts_pods_that_end_at_the_usual_pace(
    workshop: WorkshopInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_latency_lanes, "_retry_delay_s", lambda early_ends: 30.0)
    lane = low_latency(workshop)
    await until(lambda: lane.status is DeploymentStatus.UP)
    lane.submit(execution("one"))
    await until(lambda: workshop.given)
    await lane.stop(drain=True)
    workshop.pods[0].gone.set()
    await asyncio.sleep(0.02)
    assert len(workshop.pods) == 1
    await lane.stop(drain=False)


async def test_an_elastic_execution_waits_for_the_database_without_a_pod(workshop: WorkshopInMemory) -> None:
    workshop.away.add("database")
    elastic(workshop, "one")
    await until(lambda: workshop.times_asked > 3)
    assert workshop.pods == []
    workshop.away.clear()
    await until(lambda: workshop.given)
    assert workshop.given == [("pod-0", "one")]
    assert workshop.ends == {}


async def test_elastic_executions_give_their_place_to_others_while_they_wait(workshop: WorkshopInMemory) -> None:
    workshop.away.add("objects of one")
    elastic(workshop, "one", "two")
    await until(lambda: workshop.ids_given == ["two"])
    assert workshop.pods[0].gone.is_set()
    workshop.away.clear()
    workshop.pods[1].end("two")
    await until(lambda: workshop.ids_given == ["two", "one"])
    assert workshop.ends == {}


async def test_elastic_executions_that_waited_keep_their_order(workshop: WorkshopInMemory) -> None:
    workshop.away |= {f"objects of {one}" for one in "abc"}
    lane = elastic(workshop, *"abcd")
    await until(lambda: workshop.ids_given == ["d"])
    lane.submit("e")
    workshop.away.clear()
    await asyncio.sleep(0.02)
    for execution_id in "dabce":
        await until(lambda: workshop.ids_given[-1] == execution_id)  # noqa: B023
        workshop.pods[-1].end(execution_id)
    assert workshop.ids_given == list("dabce")


async def test_an_elastic_pod_that_ends_meanwhile_is_not_asked_for_ever(workshop: WorkshopInMemory) -> None:
    workshop.away.add("data store")
    elastic(workshop, "one")
    await workshop.asked.wait()
    workshop.pods[0].gone.set()
    workshop.times_asked = 0
    await asyncio.sleep(0.02)
    assert workshop.times_asked < 20


async def test_what_an_elastic_pod_lost_is_given_again_to_it(workshop: WorkshopInMemory) -> None:
    elastic(workshop, "one")
    await until(lambda: workshop.given)
    workshop.pods[0].in_flight.clear()
    workshop.pods[0].on_missing(["one"])
    await until(lambda: len(workshop.given) == 2)
    assert workshop.given[1] == ("pod-0", "one")


async def test_what_an_elastic_pod_lost_runs_elsewhere_when_that_pod_ends_at_once(workshop: WorkshopInMemory) -> None:
    elastic(workshop, "one")
    await until(lambda: workshop.given)
    workshop.pods[0].in_flight.clear()
    workshop.pods[0].on_missing(["one"])
    workshop.pods[0].gone.set()
    await until(lambda: workshop.given[1:] == [("pod-1", "one")])


async def test_what_an_elastic_pod_had_begun_never_runs_again(workshop: WorkshopInMemory) -> None:
    elastic(workshop, "one")
    await until(lambda: workshop.given)
    pod = workshop.pods[0]
    del pod.in_flight["one"]
    pod.started.add("one")  # and the database does not know yet
    workshop.away.add("database")
    pod.on_missing(["one"])
    await until(lambda: workshop.ends)
    assert workshop.ends["one"] == (ExecutionStatus.ERROR, pod.lost_failure())
    assert workshop.ids_given == ["one"]


async def test_an_elastic_execution_that_cannot_be_carried_on_leaves_no_pod(
    workshop: WorkshopInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ConflictError("an answer that nobody expects")

    monkeypatch.setattr(WorkshopInMemory, "give", broken)
    elastic(workshop, "one")
    await until(lambda: workshop.ends)
    assert workshop.ends["one"][0] is ExecutionStatus.ERROR
    assert workshop.pods[0].gone.is_set()


async def test_whether_objects_are_back_is_asked_without_a_pod(workshop: WorkshopInMemory) -> None:
    workshop.away.add("data store")
    elastic(workshop, "one")
    await until(lambda: workshop.times_asked > 5)
    assert len(workshop.pods) == 1
    assert workshop.pods[0].gone.is_set()
    workshop.away.clear()
    await until(lambda: workshop.given == [("pod-1", "one")])
