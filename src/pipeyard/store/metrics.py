"""Metrics of executions as rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, func, insert, select, update

from pipeyard.clock import from_epoch_ms, to_epoch_ms
from pipeyard.domain.executions import ExecutionStatus
from pipeyard.domain.metrics import (
    LIST_METRICS_MAX,
    LIST_VALUES_MAX,
    SINGLE_METRICS_MAX,
    Metric,
    MetricKind,
    MetricPage,
    MetricQuery,
    Recording,
)
from pipeyard.errors import ConflictError, NotFoundError
from pipeyard.store.database import Record, Rows
from pipeyard.store.tables import deployments, executions, list_metrics, list_values, pipelines, single_metrics

# Values that come one by one are gathered in pieces below the size of a page of SQLite: a list is read in few rows.
_PIECE_MAX_CHARACTERS = 3000

_TABLES = {MetricKind.SINGLE: single_metrics, MetricKind.LIST: list_metrics}
_MOST = {MetricKind.SINGLE: SINGLE_METRICS_MAX, MetricKind.LIST: LIST_METRICS_MAX}

_EXECUTION = select(
    executions.c.status,
    executions.c.id.label("execution_id"),
    executions.c.environment_id,
    executions.c.pipeline_id,
    executions.c.deployment_id,
).where(executions.c.id == bindparam("of_execution"))

_REPLACE = (
    update(single_metrics)
    .where(single_metrics.c.execution_id == bindparam("of_execution"), single_metrics.c.name == bindparam("named"))
    .values(value=bindparam("new_value"))
)
_LIST = select(list_metrics.c.number, list_metrics.c.count).where(
    list_metrics.c.execution_id == bindparam("of_execution"), list_metrics.c.name == bindparam("named")
)
_THIS_LIST = list_values.c.list_number == bindparam("this_list")
_GROW = update(list_metrics).where(list_metrics.c.number == bindparam("this_list")).values(count=bindparam("new_count"))
_LAST_PIECE = select(func.max(list_values.c.position)).where(_THIS_LIST).scalar_subquery()
_EXTEND_PIECE = (
    update(list_values)
    .where(
        _THIS_LIST,
        list_values.c.position == _LAST_PIECE,
        func.length(list_values.c.content) < _PIECE_MAX_CHARACTERS - bindparam("characters"),
    )
    .values(content=list_values.c.content + "," + bindparam("more"))
)


class MetricRows(Rows):
    """Implements `ports.MetricStore`."""

    async def record_value(self, recording: Recording) -> None:
        """Create or replace a single metric. Raises NotFoundError, ConflictError (ended, or one too many)."""
        await self._database.write(lambda connection: _record_value(connection, recording))

    async def append_values(self, recording: Recording) -> None:
        """Create or extend a list metric. Raises NotFoundError, ConflictError (ended, one or some values too many)."""
        await self._database.write(lambda connection: _append_values(connection, recording))

    async def list_metrics(self, query: MetricQuery) -> MetricPage:
        """A page, in the order of the first recordings, and the exact number of all."""
        return await self._database.read(lambda connection: _list(connection, query))

    async def read_list_values(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """The values of list metrics by their numbers, as JSON without brackets; a list that is gone is left out."""
        wanted = (
            select(list_values.c.list_number, list_values.c.content)
            .where(list_values.c.list_number.in_(numbers))
            .order_by(list_values.c.list_number, list_values.c.position)
        )
        pieces: defaultdict[int, list[str]] = defaultdict(list)
        for number, content in await self._database.read(lambda c: c.execute(wanted).all()):
            pieces[number].append(content)
        return {number: ",".join(contents) for number, contents in pieces.items()}


def _record_value(connection: Connection, recording: Recording) -> None:
    row = _new_row(connection, recording)
    given = {"of_execution": recording.execution_id, "named": recording.name, "new_value": recording.values_json}
    if connection.execute(_REPLACE, given).rowcount == 0:
        _add(connection, MetricKind.SINGLE, row | {"value": recording.values_json})


def _append_values(connection: Connection, recording: Recording) -> None:
    row = _new_row(connection, recording)
    found = connection.execute(_LIST, {"of_execution": recording.execution_id, "named": recording.name}).first()
    number, count = found or (_add(connection, MetricKind.LIST, row | {"count": 0}), 0)
    if count + recording.count > LIST_VALUES_MAX:
        raise ConflictError(
            f'metric "{recording.name}": it has {count} values, {recording.count} more would pass the limit of '
            f"{LIST_VALUES_MAX} values of a list metric per execution"
        )
    connection.execute(_GROW, {"this_list": number, "new_count": count + recording.count})
    more = {"this_list": number, "more": recording.values_json, "characters": len(recording.values_json)}
    if connection.execute(_EXTEND_PIECE, more).rowcount == 0:
        piece = {"list_number": number, "position": count, "content": recording.values_json}
        connection.execute(insert(list_values), piece)


def _new_row(connection: Connection, recording: Recording) -> dict[str, Any]:
    """What every metric has. Raises unless its execution is open."""
    found = connection.execute(_EXECUTION, {"of_execution": recording.execution_id}).mappings().first()
    if found is None:
        raise NotFoundError("execution", recording.execution_id)
    row = dict(found)
    status = ExecutionStatus(row.pop("status"))
    if status.is_final:
        raise ConflictError(
            f'execution "{recording.execution_id}" has ended ({status.value}); metrics are recorded while it is open'
        )
    return row | {"name": recording.name, "created_at": to_epoch_ms(recording.at)}


def _add(connection: Connection, kind: MetricKind, row: Mapping[str, Any]) -> int:
    """Its number."""
    table, most = _TABLES[kind], _MOST[kind]
    if _count(connection, table, table.c.execution_id == row["execution_id"]) >= most:
        raise ConflictError(
            f'metric "{row["name"]}": execution "{row["execution_id"]}" has {most} {kind.value} metrics already, '
            f"the limit is {most} {kind.value} metrics per execution"
        )
    number: int = connection.execute(insert(table).returning(table.c.number), row).scalar_one()
    return number


def _list(connection: Connection, query: MetricQuery) -> MetricPage:
    table = _TABLES[query.kind]
    # The owner alone: it is of one environment, and the index of the environment would only mislead the planner.
    wanted = [table.c[f"{query.owner.value}_id"] == query.owner_id]
    if query.name is not None:
        wanted.append(table.c.name == query.name)
    # The names are joined to what is on the page, not to what is skipped before it.
    numbers = select(table.c.number).where(*wanted).order_by(table.c.number).limit(query.limit).offset(query.offset)
    page = numbers.subquery()
    rows = (
        select(table, pipelines.c.name.label("pipeline_name"), deployments.c.name.label("deployment_name"))
        .join(page, page.c.number == table.c.number)
        .join(pipelines, pipelines.c.id == table.c.pipeline_id)
        .outerjoin(deployments, deployments.c.id == table.c.deployment_id)
        .order_by(table.c.number)
    )
    metrics = [_metric(row, query.kind) for row in connection.execute(rows)]
    seen = query.offset + len(metrics)
    if len(metrics) < query.limit and (metrics or not query.offset):
        return MetricPage(metrics, seen)  # the last page: nothing to count
    # Counted after: what was recorded meanwhile is on the next page, what was deleted meanwhile is not missed there.
    count = _count(connection, table, *wanted)
    return MetricPage(metrics, max(count, seen) if metrics else count)


def _count(connection: Connection, table: Table, *wanted: ColumnElement[bool]) -> int:
    count: int = connection.execute(select(func.count()).select_from(table).where(*wanted)).scalar_one()
    return count


def _metric(row: Record, kind: MetricKind) -> Metric:
    is_list = kind is MetricKind.LIST
    return Metric(
        number=row.number,
        name=row.name,
        created_at=from_epoch_ms(row.created_at),
        execution_id=row.execution_id,
        pipeline_name=row.pipeline_name,
        deployment_name=row.deployment_name,
        value=None if is_list else json.loads(row.value),
        count=row._mapping["count"] if is_list else 1,  # `row.count` is a method of every row
    )
