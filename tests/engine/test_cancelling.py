"""What lanes do with an execution whose end is stored because it was cancelled, wherever it is on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.engine.lanes import AT, WorkshopInMemory, execution
from tests.engine.test_outages import elastic, low_latency, until

from pipeyard.domain.executions import ExecutionStatus, Outcome
from pipeyard.engine.engine import RunningEngine
from pipeyard.engine.places import Places
from pipeyard.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def workshop() -> AsyncIterator[WorkshopInMemory]:
    workshop = WorkshopInMemory()
    yield workshop
    await workshop.tasks.cancel_all()


async def test_what_waits_for_a_place_is_never_given_to_a_pod(workshop: WorkshopInMemory) -> None:
    lane = elastic(workshop, "runs", "cancelled", "behind")
    await until(lambda: workshop.given)
    lane.cancel("cancelled")
    assert lane.waiting == 1
    workshop.pods[0].end("runs")
    await until(lambda: len(workshop.given) == 2)
    assert workshop.ids_given == ["runs", "behind"]


async def test_what_runs_is_ended_in_its_pod(workshop: WorkshopInMemory) -> None:
    lane = elastic(workshop, "runs")
    await until(lambda: workshop.given)
    lane.cancel("runs")
    assert workshop.pods[0].cancelled == ["runs"]
    assert lane.has("runs")
    workshop.pods[0].end("runs")
    await until(lambda: not lane.list_pods())
    assert workshop.ends == {}
    assert not lane.has("runs")


async def test_what_is_cancelled_while_its_pod_starts_is_not_given_to_it(workshop: WorkshopInMemory) -> None:
    lane = elastic(workshop, "one")
    workshop.status = ExecutionStatus.FAILED  # as the store says it when the pod is there
    await until(lambda: workshop.pods and workshop.pods[0].gone.is_set())
    await until(lambda: not lane.list_pods())
    assert workshop.given == []


async def test_a_warm_pod_is_told_of_what_it_has_and_never_gets_what_waits(workshop: WorkshopInMemory) -> None:
    lane = low_latency(workshop)
    for number in range(40):  # more than are sent ahead
        lane.submit(execution(str(number)))
    await until(lambda: lane.waiting == 7)
    lane.cancel("0")
    lane.cancel("39")
    assert workshop.pods[0].cancelled == ["0"]
    assert lane.waiting == 6
    for number in range(33):
        workshop.pods[0].finish(str(number))
    await until(lambda: len(workshop.given) == 39)
    assert "39" not in workshop.ids_given


async def test_a_pod_that_had_to_end_for_a_cancelled_execution_is_replaced_at_once(workshop: WorkshopInMemory) -> None:
    lane = low_latency(workshop)
    for number in range(6):  # growing delays would be seconds by now
        await until(lambda: len(workshop.pods) == number + 1)  # noqa: B023
        lane.submit(execution(str(number)))
        await until(lambda: len(workshop.given) == number + 1)  # noqa: B023
        workshop.pods[number].ended_for_cancelled = True
        workshop.pods[number].end(str(number))
    assert workshop.ids_given == ["0", "1", "2", "3", "4", "5"]


async def test_what_is_cancelled_between_its_commit_and_its_dispatch_is_never_run_and_leaves_its_place(
    workshop: WorkshopInMemory,
) -> None:
    places = Places(10, 10)
    engine = RunningEngine(workshop, Settings(), places, None)  # type: ignore[arg-type]
    for execution_id in ("cancelled", "next"):
        places.take(None)
        if execution_id == "cancelled":
            engine.cancel(execution_id, None, Outcome(ExecutionStatus.FAILED, AT))
        engine.dispatch(execution(execution_id))
    await until(lambda: workshop.given)
    assert workshop.ids_given == ["next"]
    assert places.taken_in_all == 1
