"""What every store does: what the machine and the pods were doing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from store_samples import NOON, deployment, environment, execution, later, pipeline, succeeded
from test_store import STORES

from pipeyard.domain.metrics import MetricOwner
from pipeyard.domain.pods import PodRef
from pipeyard.domain.samples import PODS_MAX, MachineSample, PodPage, PodSample, PodSeries, Samples, Span
from pipeyard.store_ports import Store

pytestmark = pytest.mark.anyio

WARM = PodRef("pod-warm", 1, 2, "boot", deployment().id, None)
ELASTIC = PodRef("pod-elastic", 3, 4, "boot", None, "x")
OF_RUN = PodRef("pod-run", 5, 6, "boot", None, "run")
ALWAYS = later(-1_000_000)


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """With a warm deployment, an execution of it and a run."""
    opened = STORES[request.param](tmp_path)
    await opened.add_environment(environment())
    await opened.add_environment(environment("other"))
    await opened.add_pipeline(pipeline())
    await opened.add_deployment(deployment())
    await opened.add_execution(execution("x", deployed_as="live"), "s1")
    await opened.add_execution(execution("run"), "s1")
    yield opened
    await opened.close()


def machine(at_s: float, cpu_usage: float, received: int = 0, worker: str = "host") -> MachineSample:
    return MachineSample(later(at_s), worker, cpu_usage, 50.0, 75.5, received, 2 * received)


def pod(at_s: float, cpu_usage: float = 10.0, memory_bytes: int = 1000, processes: int = 2) -> PodSample:
    return PodSample(later(at_s), cpu_usage, memory_bytes, processes)


async def add(store: Store, at_s: float, pods: dict[PodRef, PodSample] | None = None, cpu_usage: float = 10.0) -> None:
    await store.add_samples(Samples(later(at_s), [machine(at_s, cpu_usage, 100)], pods or {}), ALWAYS)


def span(start_s: float = 0, end_s: float = 1000, step_s: float = 1) -> Span:
    return Span(later(start_s), later(end_s), timedelta(seconds=step_s))


async def pods_of(store: Store, owner: MetricOwner, owner_id: str, wanted: Span | None = None) -> list[str]:
    page = await store.read_pod_samples(wanted or span(), owner, owner_id)
    assert page.total_count == len(page.pods)
    return [series.pod_id for series in page.pods]


async def test_samples_come_back_ascending_and_as_they_were(store: Store) -> None:
    gpu = MachineSample(later(10), "host-gpu0", gpu_usage=99.0, vram_usage=12.25)
    late, early = machine(10, 12.34, 7), machine(0, 0.0, 0)
    await store.add_samples(Samples(later(10), [late, gpu], {}), ALWAYS)
    await store.add_samples(Samples(later(0), [early], {}), ALWAYS)
    assert await store.read_machine_samples(span()) == [early, late, gpu]
    assert await store.oldest_sample_at() == NOON


async def test_there_is_no_oldest_sample_before_the_first(store: Store) -> None:
    assert await store.oldest_sample_at() is None
    assert await store.read_machine_samples(span()) == []
    assert await store.read_pod_samples(span(), MetricOwner.ENVIRONMENT, environment().id) == PodPage([], 0)


async def test_the_start_of_a_span_is_included_and_its_end_is_not(store: Store) -> None:
    for at_s in (0, 1, 2, 3):
        await add(store, at_s, {WARM: pod(at_s)})
    assert [sample.at for sample in await store.read_machine_samples(span(1, 3))] == [later(1), later(2)]
    [series] = (await store.read_pod_samples(span(1, 3), MetricOwner.DEPLOYMENT, deployment().id)).pods
    assert [sample.at for sample in series.samples] == [later(1), later(2)]


async def test_a_step_gives_the_average_of_usage_and_the_sum_of_traffic(store: Store) -> None:
    for at_s, cpu_usage in ((0, 10.0), (9, 30.0), (10, 50.0), (25, 70.0)):
        await add(store, at_s, cpu_usage=cpu_usage)
    points = await store.read_machine_samples(span(0, 30, 10))
    assert [(point.at, point.cpu_usage, point.network_input_usage) for point in points] == [
        (later(9), 20.0, 200),
        (later(10), 50.0, 100),
        (later(25), 70.0, 100),
    ]
    assert {point.network_output_usage for point in points} == {200, 400}


async def test_a_step_of_a_pod_gives_the_most_memory_and_the_average_of_its_processor(store: Store) -> None:
    await add(store, 0, {WARM: pod(0, 10.0, 5000, 3)})
    await add(store, 1, {WARM: pod(1, 20.0, 1000, 2)})
    [series] = (await store.read_pod_samples(span(step_s=10), MetricOwner.DEPLOYMENT, deployment().id)).pods
    assert series == PodSeries("pod-warm", "live", None, [PodSample(later(1), 15.0, 5000, 3)])


async def test_pods_are_found_by_what_they_were_started_for(store: Store) -> None:
    await add(store, 0, {WARM: pod(0), ELASTIC: pod(0)})
    await add(store, 1, {OF_RUN: pod(1)})
    assert await pods_of(store, MetricOwner.ENVIRONMENT, environment().id) == ["pod-run", "pod-elastic", "pod-warm"]
    assert await pods_of(store, MetricOwner.ENVIRONMENT, environment("other").id) == []
    assert await pods_of(store, MetricOwner.DEPLOYMENT, deployment().id) == ["pod-elastic", "pod-warm"]
    assert await pods_of(store, MetricOwner.EXECUTION, "x") == ["pod-elastic"]
    [series] = (await store.read_pod_samples(span(), MetricOwner.EXECUTION, "run")).pods
    assert (series.deployment_name, series.execution_id) == (None, "run")
    assert await pods_of(store, MetricOwner.ENVIRONMENT, environment().id, span(1, 9)) == ["pod-run"]
    assert await pods_of(store, MetricOwner.ENVIRONMENT, environment().id, span(-9, 1)) == ["pod-elastic", "pod-warm"]


async def test_an_answer_has_the_pods_seen_last_and_says_how_many_there_were(store: Store) -> None:
    for number in range(PODS_MAX + 2):
        await add(store, number, {PodRef(f"pod-{number}", 1, 1, "boot", deployment().id, None): pod(number)})
    page = await store.read_pod_samples(span(), MetricOwner.ENVIRONMENT, environment().id)
    assert [series.pod_id for series in page.pods] == [f"pod-{number}" for number in range(PODS_MAX + 1, 1, -1)]
    assert page.total_count == PODS_MAX + 2


async def test_samples_of_pods_go_with_what_they_were_started_for(store: Store) -> None:
    await add(store, 0, {WARM: pod(0), ELASTIC: pod(0), OF_RUN: pod(0)})
    await store.finish_execution("run", "s1", succeeded())
    await store.delete_execution("run")
    assert await pods_of(store, MetricOwner.ENVIRONMENT, environment().id) == ["pod-elastic", "pod-warm"]
    await store.delete_deployment(deployment().id)
    assert await pods_of(store, MetricOwner.ENVIRONMENT, environment().id) == []
    # Its pod was read before the deletion and is stored after it.
    await add(store, 1, {WARM: pod(1), OF_RUN: pod(1)})
    assert await pods_of(store, MetricOwner.ENVIRONMENT, environment().id) == []
    assert len(await store.read_machine_samples(span())) == 2


async def test_what_is_too_old_is_forgotten_also_of_a_pod_that_lives_on(store: Store) -> None:
    await add(store, 0, {WARM: pod(0), OF_RUN: pod(0)})
    await add(store, 5, {WARM: pod(5)})
    await store.add_samples(Samples(later(10), [machine(10, 1.0)], {WARM: pod(10)}), later(5))
    assert await store.oldest_sample_at() == later(5)
    page = await store.read_pod_samples(span(), MetricOwner.ENVIRONMENT, environment().id)
    assert [(series.pod_id, [sample.at for sample in series.samples]) for series in page.pods] == [
        ("pod-warm", [later(5), later(10)])
    ]


async def test_much_that_is_too_old_goes_little_by_little(store: Store) -> None:
    many = 1500  # more than one commit forgets
    for at_s in range(many):
        await add(store, at_s, {WARM: pod(at_s)})
    for round_number in range(1, 4):
        at = later(many + round_number)
        await store.add_samples(Samples(at, [machine(many + round_number, 1.0)], {}), later(many))
        left = await store.read_machine_samples(span(0, many))
        page = await store.read_pod_samples(span(0, many), MetricOwner.ENVIRONMENT, environment().id)
        of_pod = [len(series.samples) for series in page.pods]
        if round_number == 1:
            assert 0 < len(left) < many
            assert of_pod == [len(left)]
    assert (len(left), of_pod) == (0, [])
