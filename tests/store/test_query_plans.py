"""The cost of a question does not grow with the number of stored executions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import event
from sqlalchemy.pool import Pool

from pipeyard.domain.executions import ExecutionFilter, ExecutionStatus, NewExecution, Outcome
from pipeyard.domain.log_lines import LogRange, Subject
from pipeyard.domain.metrics import MetricKind, MetricOwner, MetricQuery
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.users import Environment
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
KEY = Fernet.generate_key()
HUNDRED_THOUSAND = """
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 100000)
    INSERT INTO executions
        (id, environment_id, pipeline_id, server_id, status, created_at, created_by, mappings, input_values)
    SELECT 'x' || n, 'e', 'p' || (n % 100), 's0', iif(n % 1000, 'Succeeded', 'Running'), n, 'ada',
        '{"inputs":[],"outputs":[]}', '{}'
    FROM counted
"""


@pytest.fixture
def traced() -> Iterator[list[str]]:
    """Every statement that any connection of the store runs."""
    statements: list[str] = []

    def listen(connection: sqlite3.Connection, record: object) -> None:
        connection.set_trace_callback(statements.append)

    event.listen(Pool, "connect", listen)
    yield statements
    event.remove(Pool, "connect", listen)


def pipeline(number: int) -> Pipeline:
    declaration = PipelineDeclaration(f"train-{number}", "a.py", "f", None, (), (), ContainerConfig())
    return Pipeline(f"p{number}", "e", declaration, Origin.LOCAL, PipelineStatus.READY, NOON, "ada")


async def fill(path: Path) -> None:
    store = SqliteStore.open(path, KEY)
    await store.add_environment(Environment("e", "default", NOON))
    for number in range(100):
        await store.add_pipeline(pipeline(number))
    await store.close()
    connection = sqlite3.connect(path)
    connection.execute(HUNDRED_THOUSAND)
    connection.commit()
    connection.close()


async def ask_everything(store: SqliteStore) -> None:
    await store.add_execution(NewExecution("new", "e", "p1", None, "{}", "{}", NOON, "ada"), "s1")
    await store.start_execution("new", "s1", NOON)
    await store.finish_execution("new", "s1", Outcome(ExecutionStatus.SUCCEEDED, NOON, "{}"))
    await store.adopt_executions("s1")
    await store.get_execution("x1")
    await store.get_status("x1")
    await store.get_input_values("x1")
    await store.get_output_values("x1")
    await store.get_pending("x1")
    await store.list_executions(ExecutionFilter("e", pipeline_id="p1"))
    await store.list_executions(ExecutionFilter("e", deployment_id="d", before="x1", limit=3))
    await store.latest_execution(pipeline_id="p1")
    await store.latest_execution(deployment_id="d")
    await store.list_open_executions()
    await store.list_due(NOON, None, 10)
    await store.next_wake_at(NOON)
    await store.has_open_execution("d")
    await store.list_freed()
    await store.delete_execution("new")
    await store.delete_deployment("d")
    await store.delete_pipeline("p2")


async def test_no_question_looks_at_every_execution(tmp_path: Path, traced: list[str]) -> None:
    await fill(tmp_path / "store.sqlite")
    store = SqliteStore.open(tmp_path / "store.sqlite", KEY)
    traced.clear()
    await ask_everything(store)
    await store.close()
    asked = {sql for sql in traced if "executions" in sql and not sql.startswith("--")}
    assert len(asked) >= 16
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    for sql in asked:
        plan = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        # A scan of the partial index sees the open ones alone.
        scans = [step for step in plan if step.startswith("SCAN executions") and "ix_executions_open" not in step]
        assert scans == [], sql
        assert not [step for step in plan if "TEMP B-TREE" in step], sql
    connection.close()


async def test_what_is_due_is_found_at_the_front_of_an_index(tmp_path: Path, traced: list[str]) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite", KEY)
    traced.clear()
    await store.list_due(NOON, None, 10)
    await store.next_wake_at(NOON)
    await store.close()
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    asked = [sql for sql in traced if "wake_at <=" in sql or "min(" in sql]
    assert len(asked) == 2
    for sql in asked:
        steps = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert any("SEARCH deployments USING" in step and "ix_deployments_wake" in step for step in steps), steps
        assert not [step for step in steps if "TEMP B-TREE" in step], steps
    connection.close()


async def test_a_start_with_a_hundred_thousand_executions_finds_the_open_ones(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    await fill(path)
    store = SqliteStore.open(path, KEY)
    adopted = await store.adopt_executions("s1")
    still_open = await store.list_open_executions()
    latest = await store.latest_execution(pipeline_id="p7")
    listed = await store.list_executions(ExecutionFilter("e", pipeline_id="p7"))
    await store.close()
    assert (adopted, len(still_open), latest, len(listed)) == (100, 100, "x99907", 1000)


@pytest.mark.parametrize("name", [None, "m"])
@pytest.mark.parametrize("owner", list(MetricOwner))
async def test_a_page_of_metrics_is_found_in_an_index_alone(
    tmp_path: Path, traced: list[str], owner: MetricOwner, name: str | None
) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite", KEY)
    traced.clear()
    for kind in MetricKind:
        await store.list_metrics(MetricQuery(kind, owner, "o", name, 10, 50))
    await store.close()
    asked = {sql for sql in traced if "_metrics" in sql and not sql.startswith("--")}
    assert len(asked) == 4  # a page and a count of each kind
    condition = f"({owner.value}_id=?)" if name is None else f"({owner.value}_id=? AND name=?)"
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    for sql in asked:
        plan = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        # What is skipped before the page is skipped in the index; the rows of the page are then got by their numbers.
        found, *got = [step for step in plan if "_metrics " in step]
        assert "USING COVERING INDEX" in found, sql
        assert condition in found, sql
        assert all("USING INTEGER PRIMARY KEY" in step for step in got), sql
    connection.close()


async def test_log_lines_are_read_by_an_index(tmp_path: Path) -> None:
    logs = SqliteLogStore.open(tmp_path / "logs.sqlite")
    await logs.read(Subject.EXECUTION, "x", LogRange())
    await logs.close()
    connection = sqlite3.connect(tmp_path / "logs.sqlite")
    plan = [
        detail
        for *_, detail in connection.execute(
            "EXPLAIN QUERY PLAN SELECT at, message FROM lines WHERE subject_id = 'x' AND subject = 'execution' "
            "AND at >= 0 AND at < 9 ORDER BY at, sequence LIMIT 5"
        )
    ]
    connection.close()
    assert len(plan) == 1
    assert "USING INDEX lines_of_subject" in plan[0]
