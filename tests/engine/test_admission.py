"""Who gets the machine's memory and GPUs: in order, no large claim starved by small ones, nothing given twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from tests.engine.lanes import PodInMemory, WorkshopInMemory, deployment, execution

from pipeyard.domain.claims import Claim, Supply
from pipeyard.domain.deployments import DeploymentStatus
from pipeyard.engine.admission import Admission, Ticket
from pipeyard.engine.elastic import ElasticLane
from pipeyard.engine.low_latency import LowLatencyLane

pytestmark = pytest.mark.anyio

GIB = 1 << 30
GPUS = ("GPU-a", "GPU-b", "GPU-c")


def machine() -> Admission:
    return Admission(Supply(4 * GIB, GPUS))


def passing(gib: float, gpus: int = 0) -> Claim:
    return Claim(int(gib * GIB), gpus)


def lasting(gib: float, gpus: int = 0) -> Claim:
    return Claim(int(gib * GIB), gpus, is_lasting=True)


def has(ticket: Ticket) -> bool:
    return ticket.given.is_set()


async def test_what_fits_is_given_at_once_and_what_is_given_back_goes_to_the_next() -> None:
    admission = machine()
    assert has(admission.ask("one", passing(3)))
    two = admission.ask("two", passing(2))
    assert not has(two)
    admission.leave("one")
    assert has(two)
    assert admission.reason("two") is None


async def test_a_large_claim_is_not_starved_by_small_ones() -> None:
    admission = machine()
    admission.ask("small 1", passing(1))
    large = admission.ask("large", passing(4))
    small = [admission.ask(f"small {number}", passing(1)) for number in (2, 3)]
    assert not any(map(has, [large, *small]))
    admission.leave("small 1")
    assert has(large)
    assert not any(map(has, small))
    admission.leave("large")
    assert all(map(has, small))


async def test_who_waits_for_a_deployment_to_be_deleted_lets_others_pass() -> None:
    admission = machine()
    admission.ask("live", lasting(3))
    large = admission.ask("next", lasting(2))
    assert has(admission.ask("small", passing(1)))
    assert not has(large)
    admission.leave("live")
    assert has(large)


async def test_a_claim_to_nothing_never_waits() -> None:
    admission = machine()
    admission.ask("all", passing(4, 3))
    admission.ask("more", passing(1))
    assert has(admission.ask("nothing", Claim()))


async def test_a_gpu_has_one_owner() -> None:
    admission = machine()
    one, two = admission.ask("one", lasting(0, 2)), admission.ask("two", lasting(0, 1))
    assert sorted(one.gpus + two.gpus) == list(GPUS)
    three = admission.ask("three", lasting(0, 1))
    assert not has(three)
    admission.leave("one")
    assert has(three)
    assert three.gpus[0] in one.gpus


async def test_asking_again_changes_nothing() -> None:
    admission = machine()
    first = admission.ask("one", lasting(1, 1))
    assert admission.ask("one", lasting(1, 1)) is first
    waiting = admission.ask("two", lasting(4))
    assert admission.ask("two", lasting(4)) is waiting


async def test_what_pods_of_an_earlier_server_have_counts_beyond_what_there_is() -> None:
    admission = machine()
    admission.adopt("old", lasting(6, 1), ("GPU-b",))
    new = admission.ask("new", passing(1, 2))
    assert not has(new)
    assert admission.ask("old", lasting(6, 1)).gpus == ("GPU-b",)
    admission.leave("old")
    assert has(new)


async def test_who_leaves_the_line_is_told_and_holds_nobody_back() -> None:
    admission = machine()
    admission.ask("one", passing(2))
    large, small = admission.ask("large", passing(4)), admission.ask("small", passing(1))
    admission.leave("large")
    assert has(large)
    assert has(small)
    assert admission.reason("large") is None


async def test_the_reason_names_what_is_claimed_what_is_free_and_who_is_before() -> None:
    admission = machine()
    for number in range(2):
        admission.ask(f"pod {number}", lasting(1.5))
    admission.ask("large", passing(2))
    assert admission.reason("large") == "waits for 2 GiB of memory; 1 GiB of 4 GiB is free, 2 pods have the rest"
    admission.ask("graphics", lasting(0, 3))
    admission.ask("more", passing(1.5, 1))
    assert admission.reason("more") == (
        "waits for 1.5 GiB of memory and 1 GPU; 1 GiB of 4 GiB is free, 2 pods have the rest; "
        "0 of 3 GPUs are free, 1 pod has the rest; 1 other waits before it"
    )


# --- the lanes ---


@pytest.fixture
async def workshop() -> AsyncIterator[WorkshopInMemory]:
    workshop = WorkshopInMemory()  # 100 bytes and two GPUs
    yield workshop
    await workshop.tasks.cancel_all()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  several things change it
            await asyncio.sleep(0)


def pod_of(workshop: WorkshopInMemory, execution_id: str) -> PodInMemory:
    pod_id = next(pod_id for pod_id, given in workshop.given if given == execution_id)
    return next(pod for pod in workshop.pods if pod.pod_id == pod_id)


async def test_elastic_executions_wait_for_memory_without_a_place_and_in_order(workshop: WorkshopInMemory) -> None:
    workshop.claims = {"a": Claim(60), "b": Claim(60), "c": Claim(60)}
    lane = ElasticLane(workshop, 2)  # type: ignore[arg-type]
    for execution_id in ("a", "b", "c", "free"):
        lane.submit(execution_id)
    await until(lambda: set(workshop.ids_given) == {"a", "free"})
    assert lane.waiting == 2
    assert lane.pending_reason("b").startswith("waits for ")
    pod_of(workshop, "a").end("a")
    await until(lambda: "b" in workshop.ids_given)
    assert "c" not in workshop.ids_given
    pod_of(workshop, "b").end("b")
    await until(lambda: "c" in workshop.ids_given)


async def test_an_execution_that_is_deleted_while_it_waits_holds_nobody_back(workshop: WorkshopInMemory) -> None:
    workshop.claims = {"a": Claim(60), "large": Claim(100), "small": Claim(30)}
    lane = ElasticLane(workshop, 5)  # type: ignore[arg-type]
    for execution_id in ("a", "large", "small"):
        lane.submit(execution_id)
    await until(lambda: lane.waiting == 2)
    workshop.gone.add("large")
    await lane.stop(lambda carried: carried.execution_id == "large")
    await until(lambda: "small" in workshop.ids_given)
    assert lane.waiting == 0


async def test_a_deployment_waits_until_another_is_deleted_and_keeps_its_gpus(workshop: WorkshopInMemory) -> None:
    workshop.claims = {"d": Claim(60, 2)}
    workshop.admission.ask("other", Claim(60, 1, is_lasting=True))
    lane = LowLatencyLane(workshop, deployment(), 1.0)  # type: ignore[arg-type]
    lane.start()
    lane.submit(execution("one"))
    await until(lambda: workshop.admission.reason("d"))
    assert lane.status is DeploymentStatus.CREATION_PENDING
    assert lane.pending_reason().startswith("its pod waits for ")
    workshop.admission.leave("other")
    await until(lambda: lane.status is DeploymentStatus.UP)
    assert set(workshop.specs[0].gpus) == {"GPU-a", "GPU-b"}
    waiting = workshop.admission.ask("third", Claim(60, is_lasting=True))
    workshop.pods[0].gone.set()
    await until(lambda: len(workshop.pods) == 2)
    assert workshop.specs[1] == workshop.specs[0]
    assert not has(waiting)
    await lane.stop(drain=False)
    assert has(waiting)


async def test_a_deployment_that_waits_can_be_deleted(workshop: WorkshopInMemory) -> None:
    workshop.claims = {"d": Claim(60)}
    workshop.admission.ask("other", Claim(60, is_lasting=True))
    lane = LowLatencyLane(workshop, deployment(), 1.0)  # type: ignore[arg-type]
    lane.start()
    await until(lambda: workshop.admission.reason("d"))
    await lane.stop(drain=False)
    assert workshop.admission.reason("d") is None
    assert workshop.pods == []
    assert workshop.pod_failures == []
