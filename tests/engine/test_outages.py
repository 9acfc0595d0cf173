"""While the database or the data store is away: pods live on, and what was accepted runs once they are back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from tests.engine.lanes import WorkshopInMemory, deployment, execution

from pipeyard.domain.deployments import DeploymentStatus
from pipeyard.domain.executions import ExecutionStatus
from pipeyard.engine import patience
from pipeyard.engine.elastic import ElasticLane
from pipeyard.engine.low_latency import LowLatencyLane

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


@pytest.mark.parametrize("away", ["database", "data store"])
async def test_an_elastic_execution_waits_for_what_is_away_and_runs_in_one_pod(
    workshop: WorkshopInMemory, away: str
) -> None:
    workshop.away.add(away)
    lane = ElasticLane(workshop, 1)  # type: ignore[arg-type]
    lane.submit("one")
    await workshop.asked.wait()
    await asyncio.sleep(0.02)
    workshop.away.clear()
    await until(lambda: workshop.given)
    assert workshop.given == [("pod-0", "one")]
    assert workshop.ends == {}


async def test_an_elastic_execution_that_cannot_be_carried_on_leaves_no_pod(
    workshop: WorkshopInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr("pipeyard.engine.elastic.is_passing", lambda error: False)
    monkeypatch.setattr(WorkshopInMemory, "give", broken)
    lane = ElasticLane(workshop, 1)  # type: ignore[arg-type]
    lane.submit("one")
    await until(lambda: workshop.ends)
    assert workshop.ends["one"][0] is ExecutionStatus.ERROR
    assert workshop.pods[0].gone.is_set()
