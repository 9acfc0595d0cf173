"""What every store does: executions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_samples import (
    INPUTS,
    NOON,
    OUTPUTS,
    deployment,
    environment,
    execution,
    failed,
    later,
    of_pipeline,
    pipeline,
    succeeded,
)
from test_store import STORES

from pipeyard.domain.executions import (
    Execution,
    ExecutionFilter,
    ExecutionStatus,
    ExecutionSummary,
    Outcome,
    PendingExecution,
)
from pipeyard.domain.metrics import MetricKind, MetricOwner, MetricQuery, record_one
from pipeyard.errors import ConflictError
from pipeyard.store_ports import Store

pytestmark = pytest.mark.anyio


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = STORES[request.param](tmp_path)
    await opened.add_environment(environment())
    await opened.add_pipeline(pipeline())
    await opened.add_deployment(deployment())
    yield opened
    await opened.close()


async def test_an_execution_lives_from_pending_to_succeeded(store: Store) -> None:
    await store.add_execution(execution("x", deployed_as="live", endpoint_id="endpoint"), "s1")
    assert await store.get_status("x") is ExecutionStatus.PENDING
    assert await store.start_execution("x", "s1", later(1))
    assert await store.get_status("x") is ExecutionStatus.RUNNING
    assert await store.finish_execution("x", "s1", succeeded())
    assert await store.get_execution("x") == Execution(
        id="x",
        environment_id=environment().id,
        pipeline_id=pipeline().id,
        pipeline_name="train",
        deployment_id=deployment().id,
        deployment_name="live",
        inputs_mapping=INPUTS,
        outputs_mapping=OUTPUTS,
        status=ExecutionStatus.SUCCEEDED,
        created_at=NOON,
        created_by="ada",
        started_at=later(1),
        ended_at=later(2),
        endpoint_id="endpoint",
    )
    assert await store.get_input_values("x") == '{"a":1}'
    assert await store.get_output_values("x") == '{"c":"done"}'


async def test_a_failure_comes_back_as_it_was_stored(store: Store) -> None:
    await store.add_execution(execution("x"), "s1")
    assert await store.finish_execution("x", "s1", failed())
    found = await store.get_execution("x")
    assert found is not None
    assert (found.status, found.failure, found.deployment_name) == (ExecutionStatus.FAILED, failed().failure, None)
    assert await store.get_output_values("x") is None


async def test_values_come_back_whole(store: Store) -> None:
    values = {"a": "é\ud800\x00", "big": "x" * 3_000_000}
    text = json.dumps(values, ensure_ascii=False)
    await store.add_execution(execution("x", input_values_json=text), "s1")
    await store.finish_execution("x", "s1", succeeded(text))
    assert json.loads(await store.get_input_values("x") or "") == values
    assert json.loads(await store.get_output_values("x") or "") == values


async def test_a_final_state_never_changes(store: Store) -> None:
    await store.add_execution(execution("x"), "s1")
    assert await store.finish_execution("x", "s1", succeeded())
    assert not await store.finish_execution("x", "s1", failed())
    assert not await store.start_execution("x", "s1", later(9))
    assert await store.adopt_executions("s2") == 0
    found = await store.get_execution("x")
    assert found is not None
    assert (found.status, found.started_at, found.ended_at) == (ExecutionStatus.SUCCEEDED, None, later(2))
    assert found.failure is None


async def test_an_open_state_is_no_outcome(store: Store) -> None:
    with pytest.raises(ValueError, match="not a final state"):
        await store.finish_execution("x", "s1", Outcome(ExecutionStatus.RUNNING, NOON))


async def test_an_execution_starts_once(store: Store) -> None:
    await store.add_execution(execution("x"), "s1")
    assert await store.start_execution("x", "s1", later(1))
    assert not await store.start_execution("x", "s1", later(2))
    assert not await store.start_execution("nothing", "s1", later(2))
    found = await store.get_execution("x")
    assert found is not None
    assert found.started_at == later(1)


async def test_a_stale_server_cannot_start_or_finish_an_execution(store: Store) -> None:
    await store.add_execution(execution("x"), "s1")
    assert await store.adopt_executions("s2") == 1
    assert not await store.start_execution("x", "s1", later(1))
    assert not await store.finish_execution("x", "s1", failed())
    assert await store.start_execution("x", "s2", later(1))
    assert await store.finish_execution("x", "s2", succeeded())


async def test_adoption_takes_what_is_open_and_not_ours(store: Store) -> None:
    for name, server in (("pending", "s1"), ("running", "s1"), ("ended", "s1"), ("mine", "s2")):
        await store.add_execution(execution(name), server)
    await store.start_execution("running", "s1", later(1))
    await store.finish_execution("ended", "s1", succeeded())
    assert await store.adopt_executions("s2") == 2
    assert await store.adopt_executions("s2") == 0


async def test_writes_take_effect_in_the_order_of_the_calls(store: Store) -> None:
    # Nothing is awaited until all are queued: each depends on the one before.
    writes = []
    for number in range(200):
        name = f"x{number}"
        writes += [
            store.start_execution(name, "s1", later(1)),
            store.add_execution(execution(name), "s1"),
            store.start_execution(name, "s1", later(1)),
            store.finish_execution(name, "s1", succeeded()),
            store.finish_execution(name, "s1", failed()),
        ]
    assert await asyncio.gather(*writes) == [False, None, True, True, False] * 200


async def test_an_id_is_taken_once(store: Store) -> None:
    await store.add_execution(execution("x"), "s1")
    with pytest.raises(ConflictError, match='"x"'):
        await store.add_execution(execution("x", input_values_json="{}"), "s1")
    assert await store.get_input_values("x") == '{"a":1}'


async def test_an_execution_of_what_was_deleted_is_refused(store: Store) -> None:
    with pytest.raises(ConflictError):
        await store.add_execution(execution("x", deployed_as="gone"), "s1")
    with pytest.raises(ConflictError):
        await store.add_execution(execution("x", "gone"), "s1")
    assert await store.get_execution("x") is None


async def test_one_refused_execution_does_not_touch_its_neighbours(store: Store) -> None:
    writes = [store.add_execution(execution(f"x{n % 7}"), "s1") for n in range(10)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [type(None)] * 7 + [ConflictError] * 3
    assert len(await store.list_executions(of_pipeline())) == 7


async def test_executions_are_listed_newest_first(store: Store) -> None:
    await store.add_pipeline(pipeline("other"))
    for name, deployed_as in (("first", None), ("second", "live"), ("third", None)):
        await store.add_execution(execution(name, deployed_as=deployed_as), "s1")
    await store.add_execution(execution("elsewhere", "other"), "s1")
    await store.finish_execution("second", "s1", succeeded())
    listed = await store.list_executions(of_pipeline())
    assert [found.id for found in listed] == ["third", "second", "first"]
    assert listed[1] == ExecutionSummary("second", ExecutionStatus.SUCCEEDED, NOON, "ada", later(2), "train", "live")
    assert await store.list_executions(ExecutionFilter(environment().id, pipeline_id="nothing")) == []


async def test_a_list_of_executions_keeps_all_its_conditions(store: Store) -> None:
    await store.add_pipeline(pipeline("other"))
    for name, of, deployed_as in (
        ("1", "train", None),
        ("2", "train", "live"),
        ("3", "other", None),
        ("4", "train", "live"),
    ):
        await store.add_execution(execution(name, of, deployed_as=deployed_as), "s1")
    await store.finish_execution("2", "s1", succeeded())

    async def listed(**conditions: Any) -> list[str]:
        return [one.id for one in await store.list_executions(ExecutionFilter(environment().id, **conditions))]

    assert await listed() == ["4", "3", "2", "1"]
    assert await listed(limit=2) == ["4", "3"]
    assert await listed(limit=2, before="3") == ["2", "1"]
    assert await listed(deployment_id=deployment().id) == ["4", "2"]
    assert await listed(deployment_id=deployment().id, status=ExecutionStatus.SUCCEEDED) == ["2"]
    assert await store.list_executions(ExecutionFilter("another environment")) == []


async def test_the_latest_execution_is_the_last_accepted(store: Store) -> None:
    await store.add_execution(execution("deployed", deployed_as="live", created_at=later(50)), "s1")
    await store.add_execution(execution("run"), "s1")
    assert await store.latest_execution(pipeline_id=pipeline().id) == "run"
    assert await store.latest_execution(deployment_id=deployment().id) == "deployed"
    assert await store.latest_execution(pipeline_id=pipeline().id, deployment_id=deployment().id) == "deployed"
    assert await store.latest_execution(deployment_id="nothing") is None


async def test_open_executions_are_listed_oldest_first_without_their_values(store: Store) -> None:
    for name in ("b", "a", "ended", "c"):
        await store.add_execution(execution(name, deployed_as="live"), "s1")
    await store.start_execution("a", "s1", later(1))
    await store.finish_execution("ended", "s1", succeeded())
    listed = await store.list_open_executions()
    assert [(found.id, found.status.value) for found in listed] == [
        ("b", "Pending"),
        ("a", "Running"),
        ("c", "Pending"),
    ]
    given = execution("b", deployed_as="live")
    assert listed[0] == PendingExecution(
        "b",
        given.environment_id,
        given.pipeline_id,
        given.deployment_id,
        given.mappings_json,
        "",
        ExecutionStatus.PENDING,
        waits_since=NOON,
    )


async def test_a_pending_execution_is_read_with_its_values(store: Store) -> None:
    given = execution("x", queue_timeout_s=5)
    await store.add_execution(given, "s1")
    assert await store.get_pending("x") == PendingExecution(
        "x",
        given.environment_id,
        given.pipeline_id,
        None,
        given.mappings_json,
        given.input_values_json,
        ExecutionStatus.PENDING,
        waits_since=NOON,
        queue_timeout_s=5,
    )
    assert await store.get_pending("nothing") is None


async def test_the_end_of_what_waits_ends_nothing_that_runs_or_is_another_servers(store: Store) -> None:
    for name in ("waits", "runs", "other"):
        await store.add_execution(execution(name), "s2" if name == "other" else "s1")
    await store.start_execution("runs", "s1", later(1))
    assert await store.finish_waiting("waits", "s1", failed())
    for name in ("waits", "runs", "other", "nothing"):
        assert not await store.finish_waiting(name, "s1", failed())
    statuses = [await store.get_status(name) for name in ("waits", "runs", "other")]
    assert statuses == [ExecutionStatus.FAILED, ExecutionStatus.RUNNING, ExecutionStatus.PENDING]


async def test_an_attempt_that_is_followed_by_another_is_kept_and_its_late_news_change_nothing(store: Store) -> None:
    await store.add_execution(execution("x", deployed_as="live", retries_json="[2, 0, []]"), "s1")
    await store.record_value(record_one("x", "loss", 1, later(0)))
    assert await store.start_execution("x", "s1", later(1))
    assert await store.retry_execution("x", "s1", replace(failed(), attempt=1), later(9))
    waiting = await store.get_pending("x")
    assert waiting is not None
    assert (waiting.status, waiting.attempt, waiting.retry_at) == (ExecutionStatus.PENDING, 2, later(9))
    assert waiting.retries_json == "[2, 0, []]"
    assert not await store.start_execution("x", "s1", later(1), 1)
    assert not await store.finish_execution("x", "s1", replace(failed(), attempt=1))
    assert not await store.finish_waiting("x", "s1", replace(failed(), attempt=1))
    assert not await store.retry_execution("x", "s1", replace(failed(), attempt=1), later(9))
    assert not await store.retry_execution("x", "s2", replace(failed(), attempt=2), later(9))
    metrics = await store.list_metrics(MetricQuery(MetricKind.SINGLE, MetricOwner.EXECUTION, "x", None, limit=10))
    assert metrics.metrics == []
    assert await store.start_execution("x", "s1", later(10), 2)
    assert await store.finish_execution("x", "s1", replace(succeeded(), attempt=2))
    found = await store.get_execution("x")
    assert found is not None
    assert (found.status, found.attempt, found.started_at, found.failure) == (
        ExecutionStatus.SUCCEEDED,
        2,
        later(10),
        None,
    )
    (first,) = await store.list_attempts("x")
    assert (first.number, first.status, first.started_at, first.ended_at) == (
        1,
        ExecutionStatus.FAILED,
        later(1),
        later(3),
    )
    assert first.failure is not None
    assert first.failure.kind == "raised"
    assert not await store.retry_execution("x", "s1", failed(), later(11))
    assert await store.delete_execution("x")
    assert await store.list_attempts("x") == []


async def test_only_what_has_ended_can_be_deleted(store: Store) -> None:
    await store.add_execution(execution("x"), "s1")
    assert not await store.delete_execution("x")
    await store.finish_execution("x", "s1", succeeded())
    assert await store.delete_execution("x")
    assert not await store.delete_execution("x")
    assert await store.get_execution("x") is None


async def test_what_has_ended_is_listed_in_the_order_of_acceptance(store: Store) -> None:
    for name in ("a", "open", "b", "c"):
        await store.add_execution(execution(name), "s1")
    for name in ("c", "b", "a"):
        await store.finish_execution(name, "s1", succeeded())
    assert await store.list_ended(None, None, 10) == ["a", "b", "c"]
    assert await store.list_ended(None, None, 2) == ["a", "b"]
    assert await store.list_ended(None, "a", 10) == ["b", "c"]
    assert await store.list_ended(later(2), None, 10) == []
    assert await store.list_ended(later(2.5), None, 10) == ["a", "b", "c"]


async def test_what_was_deleted_is_not_used_any_more(store: Store) -> None:
    await store.add_execution(replace(execution("x"), input_values_json=json.dumps("x" * 1_000_000)), "s1")
    await store.finish_execution("x", "s1", succeeded())
    used_bytes = await store.used_bytes()
    assert used_bytes > 1_000_000
    await store.delete_execution("x")
    assert await store.used_bytes() < used_bytes - 900_000


async def test_a_check_of_what_can_be_written_changes_nothing(store: Store) -> None:
    await store.check()


async def test_what_does_not_exist_has_nothing(store: Store) -> None:
    assert await store.get_execution("nothing") is None
    assert await store.get_status("nothing") is None
    assert await store.get_input_values("nothing") is None
    assert await store.get_output_values("nothing") is None
    assert not await store.finish_execution("nothing", "s1", succeeded())
