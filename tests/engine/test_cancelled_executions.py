"""What lanes do with an execution whose end is stored because it was cancelled, wherever it is on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.engine.lanes import AT, WorkshopInMemory, deployment, execution
from tests.engine.test_outages import elastic, low_latency, until

from pipeyard.domain.deployments import DeploymentStatus
from pipeyard.domain.executions import ExecutionStatus, Outcome
from pipeyard.engine.engine import RunningEngine
from pipeyard.engine.low_latency import LowLatencyLane
from pipeyard.engine.places import Places
from pipeyard.engine.queue_clock import QueueClock
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
    engine = RunningEngine(workshop, Settings(), places, QueueClock(), None)  # type: ignore[arg-type]
    for execution_id in ("cancelled", "next"):
        places.take(None)
        if execution_id == "cancelled":
            engine.cancel(execution_id, None, Outcome(ExecutionStatus.FAILED, AT))
        engine.dispatch(execution(execution_id))
    await until(lambda: workshop.given)
    assert workshop.ids_given == ["next"]
    assert places.taken_in_all == 1


async def test_what_has_waited_too_long_ends_and_what_runs_by_then_does_not(workshop: WorkshopInMemory) -> None:
    places, queue_clock = Places(10, 10), QueueClock()
    engine = RunningEngine(workshop, Settings(elastic_max_pods=1), places, queue_clock, None)  # type: ignore[arg-type]
    for execution_id in ("runs", "waits", "patient"):
        places.take(None)
        since = AT if execution_id != "patient" else None
        engine.dispatch(replace(execution(execution_id), waits_since=since, queue_timeout_s=5))
    await until(lambda: "waits" in workshop.ends)
    status, failure = workshop.ends["waits"]
    assert status is ExecutionStatus.ERROR
    assert failure.message == "it has waited longer than its queue_timeout_s of 5 s, and never runs"
    workshop.pods[0].end("runs")
    await until(lambda: len(workshop.given) == 2)
    assert workshop.ids_given == ["runs", "patient"]
    assert list(workshop.ends) == ["waits"]


async def test_a_module_that_takes_too_long_to_be_imported_ends_its_pod(workshop: WorkshopInMemory) -> None:
    workshop.is_slow = True
    slow = replace(deployment(), start_timeout_s=0)  # a second is the least that can be asked for
    lane = LowLatencyLane(workshop, slow, 1.0)  # type: ignore[arg-type]
    lane.start()
    lane.submit(execution("one"))
    await until(lambda: "one" in workshop.ends)
    assert lane.status is DeploymentStatus.CREATION_FAILED
    assert "start_timeout_s of 0 s" in workshop.lines[0]
