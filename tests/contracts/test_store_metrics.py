"""What every store does: metrics of executions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from store_samples import NOON, deployment, environment, execution, later, pipeline, succeeded
from test_store import STORES

from pipeyard.domain.metrics import (
    LIST_METRICS_MAX,
    LIST_VALUES_MAX,
    SINGLE_METRICS_MAX,
    Metric,
    MetricKind,
    MetricOwner,
    MetricPage,
    MetricQuery,
    record_many,
    record_one,
)
from pipeyard.errors import ConflictError, NotFoundError
from pipeyard.store_ports import Store

pytestmark = pytest.mark.anyio

OWNERS = {
    MetricOwner.ENVIRONMENT: environment().id,
    MetricOwner.PIPELINE: pipeline().id,
    MetricOwner.DEPLOYMENT: deployment().id,
    MetricOwner.EXECUTION: "x",
}


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """With two open executions: `x` of a deployment, and `run` of another pipeline."""
    opened = STORES[request.param](tmp_path)
    await opened.add_environment(environment())
    await opened.add_pipeline(pipeline())
    await opened.add_pipeline(pipeline("score"))
    await opened.add_deployment(deployment())
    await opened.add_execution(execution("x", deployed_as="live"), "s1")
    await opened.add_execution(execution("run", of="score"), "s1")
    yield opened
    await opened.close()


async def record(store: Store, name: str, value: object, of: str = "x", after_s: float = 0) -> None:
    await store.record_value(record_one(of, name, value, later(after_s)))


async def append(store: Store, name: str, values: object, of: str = "x", after_s: float = 0) -> None:
    await store.append_values(record_many(of, name, values, later(after_s)))


async def find(
    store: Store,
    kind: MetricKind = MetricKind.SINGLE,
    owner: MetricOwner = MetricOwner.ENVIRONMENT,
    name: str | None = None,
    **page: int,
) -> MetricPage:
    return await store.list_metrics(MetricQuery(kind, owner, OWNERS[owner], name, **({"limit": 1000} | page)))


async def found(store: Store, *wanted: Any, **page: Any) -> list[tuple[str, Any]]:
    return [(metric.name, metric.value) for metric in (await find(store, *wanted, **page)).metrics]


async def values(store: Store, of: MetricOwner = MetricOwner.ENVIRONMENT) -> dict[str, str]:
    lists = (await find(store, MetricKind.LIST, of)).metrics
    read = await store.read_list_values([metric.number for metric in lists])
    return {metric.name: read[metric.number] for metric in lists}


async def test_a_single_metric_is_created_and_then_replaced(store: Store) -> None:
    await record(store, "loss", 1.5)
    await record(store, "epoch", 3, after_s=1)
    await record(store, "loss", 0.1 + 0.2, after_s=2)
    page = await find(store)
    assert page == MetricPage(
        [
            Metric(1, "loss", NOON, "x", "train", "live", 0.1 + 0.2),
            Metric(2, "epoch", later(1), "x", "train", "live", 3),
        ],
        2,
    )


@pytest.mark.parametrize("value", [0, -7, 2**80, 3.0, 1e-300, -0.0, 1.7976931348623157e308])
async def test_a_number_comes_back_as_it_was(store: Store, value: float) -> None:
    await record(store, "n", value)
    await append(store, "n", [value, 1])
    [(_, read)] = await found(store)
    assert (read, type(read), str(read)) == (value, type(value), str(value))
    assert await values(store) == {"n": f"{value!r},1"}


async def test_values_of_a_list_are_appended_in_order(store: Store) -> None:
    await append(store, "loss", [3, 2.5])
    await append(store, "accuracy", [0.5])
    await append(store, "loss", [1], after_s=5)
    assert await values(store) == {"loss": "3,2.5,1", "accuracy": "0.5"}
    loss, _ = (await find(store, MetricKind.LIST)).metrics
    assert (loss.count, loss.created_at, loss.value) == (3, NOON, None)


async def test_a_list_keeps_its_order_however_its_values_came(store: Store) -> None:
    batches = [
        range(1),
        range(1, 900),
        range(900, 901),
        range(901, 5000),
        *(range(n, n + 1) for n in range(5000, 5400)),
    ]
    for batch in batches:
        await append(store, "n", list(batch))
    assert (await values(store))["n"].split(",") == [str(n) for n in range(5400)]


async def test_a_single_and_a_list_metric_may_have_the_same_name(store: Store) -> None:
    await record(store, "loss", 1)
    await append(store, "loss", [2])
    assert await found(store) == [("loss", 1)]
    assert await values(store) == {"loss": "2"}


async def test_metrics_are_found_by_owner_and_by_name(store: Store) -> None:
    await record(store, "a", 1)
    await record(store, "b", 2)
    await record(store, "a", 3, of="run")
    assert await found(store) == [("a", 1), ("b", 2), ("a", 3)]
    for owner in (MetricOwner.PIPELINE, MetricOwner.DEPLOYMENT, MetricOwner.EXECUTION):
        assert await found(store, MetricKind.SINGLE, owner) == [("a", 1), ("b", 2)]
        assert await found(store, MetricKind.SINGLE, owner, "b") == [("b", 2)]
    assert await found(store, MetricKind.SINGLE, MetricOwner.ENVIRONMENT, "a") == [("a", 1), ("a", 3)]
    [run] = [metric for metric in (await find(store)).metrics if metric.execution_id == "run"]
    assert (run.pipeline_name, run.deployment_name) == ("score", None)
    assert await find(store, MetricKind.LIST) == MetricPage([], 0)


async def test_pages_are_exact_and_stable(store: Store) -> None:
    for number in range(7):
        await record(store, f"m{number}", number)
    for size in (1, 2, 3, 7, 8):
        pages = [await find(store, limit=size, offset=offset) for offset in range(0, 7, size)]
        assert [metric.value for page in pages for metric in page.metrics] == list(range(7))
        assert {page.total_count for page in pages} == {7}
    assert await find(store, limit=3, offset=7) == MetricPage([], 7)
    assert await find(store, name="m3", limit=1) == await find(store, name="m3")


async def test_a_hundred_single_metrics_and_no_more(store: Store) -> None:
    for number in range(SINGLE_METRICS_MAX):
        await record(store, f"m{number}", number)
    with pytest.raises(ConflictError, match="limit is 100 single metrics"):
        await record(store, "m100", 1)
    await record(store, "m99", -1)
    await record(store, "m100", 1, of="run")
    listed = await found(store, MetricKind.SINGLE, MetricOwner.EXECUTION)
    assert listed == [*((f"m{number}", number) for number in range(99)), ("m99", -1)]


async def test_twenty_five_list_metrics_and_no_more(store: Store) -> None:
    for number in range(LIST_METRICS_MAX):
        await append(store, f"m{number}", [number])
    with pytest.raises(ConflictError, match="limit is 25 list metrics"):
        await append(store, "m25", [1])
    await append(store, "m24", [0])
    await append(store, "m25", [1], of="run")
    assert await values(store, MetricOwner.EXECUTION) == {f"m{n}": str(n) for n in range(24)} | {"m24": "24,0"}


async def test_fifty_thousand_values_and_no_more(store: Store) -> None:
    for start in range(0, LIST_VALUES_MAX - 10_000, 10_000):
        await append(store, "n", list(range(start, start + 10_000)))
    await append(store, "n", list(range(40_000, 49_999)))
    with pytest.raises(ConflictError, match="limit of 50000 values"):
        await append(store, "n", [49_999, 50_000])
    await append(store, "n", [49_999])
    with pytest.raises(ConflictError, match="it has 50000 values, 1 more"):
        await append(store, "n", [0])
    assert (await values(store))["n"].split(",") == [str(n) for n in range(LIST_VALUES_MAX)]


async def test_an_execution_that_has_ended_or_never_was_takes_no_metrics(store: Store) -> None:
    await store.finish_execution("x", "s1", succeeded())
    for write in (record(store, "a", 1), append(store, "a", [1])):
        with pytest.raises(ConflictError, match=r"has ended \(Succeeded\)"):
            await write
    for write in (record(store, "a", 1, of="nobody"), append(store, "a", [1], of="nobody")):
        with pytest.raises(NotFoundError, match='"nobody"'):
            await write
    assert await found(store) == []
    assert await values(store) == {}


@pytest.mark.parametrize("deleted", ["execution", "deployment", "pipeline"])
async def test_metrics_go_with_their_execution(store: Store, deleted: str) -> None:
    for of in ("x", "run"):
        await record(store, "a", 1, of=of)
        await append(store, "a", [1], of=of)
    gone, kept = (await find(store, MetricKind.LIST)).metrics
    if deleted == "execution":
        await store.finish_execution("x", "s1", succeeded())
        assert await store.delete_execution("x")
    elif deleted == "deployment":
        await store.delete_deployment(deployment().id)
    else:
        await store.delete_pipeline(pipeline().id)
    assert [metric.execution_id for metric in (await find(store)).metrics] == ["run"]
    assert (await find(store, MetricKind.LIST)).metrics == [kept]
    assert dict(await store.read_list_values([gone.number, kept.number])) == {kept.number: "1"}
