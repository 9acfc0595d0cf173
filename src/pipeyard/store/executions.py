"""Executions as rows: the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, literal_column, select, text, update

from pipeyard.clock import from_epoch_ms, maybe_epoch_ms, maybe_instant, to_epoch_ms
from pipeyard.domain.executions import (
    Attempt,
    Execution,
    ExecutionFilter,
    ExecutionStatus,
    ExecutionSummary,
    Failure,
    NewExecution,
    Outcome,
    PendingExecution,
)
from pipeyard.domain.records import failure_from_json, failure_to_json, mappings_from_json
from pipeyard.errors import ConflictError
from pipeyard.store.cipher import storable_json
from pipeyard.store.database import Record, Rows
from pipeyard.store.prepared import Prepared
from pipeyard.store.tables import IS_OPEN, attempts, deployments, executions, list_metrics, pipelines, single_metrics

_IS_OPEN = text(IS_OPEN)
_THIS = executions.c.id == bindparam("execution_id")
_MINE = executions.c.server_id == bindparam("this_server")

_GIVEN = (
    "id",
    "environment_id",
    "pipeline_id",
    "deployment_id",
    "server_id",
    "status",
    "created_at",
    "created_by",
    "due_at",
    "mappings",
    "input_values",
    "endpoint_id",
    "queue_timeout_s",
    "retries",
)
ADD = Prepared(insert(executions).values({name: bindparam(name) for name in _GIVEN}))
ADD_SKIPPED = Prepared(insert(executions).values({name: bindparam(name) for name in (*_GIVEN, "ended_at", "failure")}))
# Late news of an attempt that was followed by another changes nothing. 0: of whichever there is.
_THIS_ATTEMPT = text("(:of_attempt = 0 OR :of_attempt = coalesce(attempt, 1))")
_START = Prepared(
    update(executions)
    .where(_THIS, _MINE, text("status = 'Pending'"), _THIS_ATTEMPT)
    .values(status=literal_column("'Running'"), started_at=bindparam("at"))
)
_FINISH = Prepared(
    update(executions)
    .where(_THIS, _MINE, _IS_OPEN, _THIS_ATTEMPT)
    .values(
        status=bindparam("new_status"),
        ended_at=bindparam("at"),
        failure=bindparam("new_failure"),
        output_values=bindparam("new_output_values"),
    )
)
_ATTEMPTED = select(executions.c.started_at, func.coalesce(executions.c.attempt, 1).label("attempt")).where(
    _THIS, _MINE, _IS_OPEN, _THIS_ATTEMPT
)
_RETRY = (
    update(executions)
    .where(_THIS)
    .values(status="Pending", started_at=None, attempt=bindparam("next_attempt"), retry_at=bindparam("at"))
)
_ADD_ATTEMPT = insert(attempts)
_ATTEMPTS = select(attempts).where(attempts.c.execution_id == bindparam("execution_id")).order_by(attempts.c.number)
_FORGET_METRICS = [
    delete(table).where(table.c.execution_id == bindparam("execution_id")) for table in (single_metrics, list_metrics)
]
_FINISH_WAITING = Prepared(
    update(executions)
    .where(_THIS, _MINE, text("status = 'Pending'"), _THIS_ATTEMPT)
    .values(status=bindparam("new_status"), ended_at=bindparam("at"), failure=bindparam("new_failure"))
)
_ADOPT = (
    update(executions)
    .where(_IS_OPEN, executions.c.server_id != bindparam("this_server"))
    .values(server_id=bindparam("this_server"))
)
_DELETE = delete(executions).where(_THIS, text(f"NOT ({IS_OPEN})"))

_NAMED = executions.join(pipelines, pipelines.c.id == executions.c.pipeline_id).outerjoin(
    deployments, deployments.c.id == executions.c.deployment_id
)
_NAMES = (pipelines.c.name.label("pipeline_name"), deployments.c.name.label("deployment_name"))
_ONE = (
    select(
        executions.c.id,
        executions.c.environment_id,
        executions.c.pipeline_id,
        executions.c.deployment_id,
        executions.c.mappings,
        executions.c.status,
        executions.c.created_at,
        executions.c.created_by,
        executions.c.due_at,
        executions.c.started_at,
        executions.c.ended_at,
        executions.c.failure,
        executions.c.endpoint_id,
        executions.c.attempt,
        executions.c.retry_at,
        *_NAMES,
    )
    .select_from(_NAMED)
    .where(_THIS)
)
_LIST = (
    select(
        executions.c.id,
        executions.c.status,
        executions.c.created_at,
        executions.c.created_by,
        executions.c.due_at,
        executions.c.ended_at,
        *_NAMES,
    )
    .select_from(_NAMED)
    .order_by(executions.c.number.desc())
)
_NUMBER = select(executions.c.number).where(executions.c.id == bindparam("before")).scalar_subquery()
_STATUS = select(executions.c.status).where(_THIS)
_INPUT_VALUES = select(executions.c.input_values).where(_THIS)
_OUTPUT_VALUES = select(executions.c.output_values).where(_THIS)
_LATEST = select(executions.c.id).order_by(executions.c.number.desc()).limit(1)
_CARRIED = (
    executions.c.id,
    executions.c.environment_id,
    executions.c.pipeline_id,
    executions.c.deployment_id,
    executions.c.mappings,
    executions.c.status,
    executions.c.due_at,
    executions.c.created_at,
    executions.c.queue_timeout_s,
    executions.c.retries,
    executions.c.attempt,
    executions.c.retry_at,
)
_ENDED = select(executions.c.id).where(text(f"NOT ({IS_OPEN})")).order_by(executions.c.number)
_OPEN_ONES = select(*_CARRIED, executions.c.number).where(_IS_OPEN)
_HAS_OPEN = select(executions.c.id).where(executions.c.deployment_id == bindparam("deployment_id"), _IS_OPEN).limit(1)
_PENDING = select(*_CARRIED, executions.c.input_values).where(_THIS)


class ExecutionRows(Rows):
    """Implements `ports.ExecutionStore`."""

    def add_execution(self, execution: NewExecution, server_id: str) -> asyncio.Future[None]:
        """Store it as Pending. Raises ConflictError when the id is taken or its pipeline or deployment is gone."""
        row = new_row(execution, server_id)

        def add(connection: Connection) -> None:
            try:
                ADD.run(connection, row)
            except connection.dialect.loaded_dbapi.IntegrityError:
                raise ConflictError(
                    f'the execution "{execution.id}" exists already, or its pipeline or deployment was deleted'
                ) from None

        return self._database.write(add)

    def start_execution(
        self, execution_id: str, server_id: str, started_at: datetime, attempt: int = 1
    ) -> asyncio.Future[bool]:
        """Pending to Running. False when it was not Pending, is in another attempt, or not ours."""
        given = {
            "execution_id": execution_id,
            "this_server": server_id,
            "at": to_epoch_ms(started_at),
            "of_attempt": attempt,
        }
        return self._database.write(lambda connection: _START.run(connection, given) == 1)

    def finish_execution(self, execution_id: str, server_id: str, outcome: Outcome) -> asyncio.Future[bool]:
        """Open to final. False when it was final already, is not ours, or is gone."""
        if not outcome.status.is_final:
            raise ValueError(f"{outcome.status.value} is not a final state")
        values = outcome.output_values_json
        given = {
            "execution_id": execution_id,
            "this_server": server_id,
            "new_status": outcome.status.value,
            "at": to_epoch_ms(outcome.ended_at),
            "new_failure": failure_text(outcome.failure),
            "new_output_values": None if values is None else storable_json(values),
            "of_attempt": outcome.attempt or 0,
        }
        return self._database.write(lambda connection: _FINISH.run(connection, given) == 1)

    def retry_execution(
        self, execution_id: str, server_id: str, outcome: Outcome, retry_at: datetime
    ) -> asyncio.Future[bool]:
        """Open to Pending again; the attempt that ended so is kept, its metrics are not. As `finish_execution`."""
        this = {"execution_id": execution_id}
        mine = this | {"this_server": server_id, "of_attempt": outcome.attempt or 0}
        ended = {
            "status": outcome.status.value,
            "ended_at": to_epoch_ms(outcome.ended_at),
            "failure": failure_text(outcome.failure),
        }

        def retry(connection: Connection) -> bool:
            row = connection.execute(_ATTEMPTED, mine).first()
            if row is None:
                return False
            connection.execute(_ADD_ATTEMPT, this | {"number": row.attempt, "started_at": row.started_at} | ended)
            connection.execute(_RETRY, this | {"next_attempt": row.attempt + 1, "at": to_epoch_ms(retry_at)})
            for forget in _FORGET_METRICS:
                connection.execute(forget, this)
            return True

        return self._database.write(retry)

    async def list_attempts(self, execution_id: str) -> Sequence[Attempt]:
        """Those that were followed by another, the first one first."""
        rows = await self._database.read(lambda c: list(c.execute(_ATTEMPTS, {"execution_id": execution_id})))
        return [
            Attempt(
                row.number,
                ExecutionStatus(row.status),
                maybe_instant(row.started_at),
                from_epoch_ms(row.ended_at),
                failure_from_json(row.failure),
            )
            for row in rows
        ]

    def finish_waiting(self, execution_id: str, server_id: str, outcome: Outcome) -> asyncio.Future[bool]:
        """Pending to final. False when it was not Pending or not ours."""
        given = {
            "execution_id": execution_id,
            "this_server": server_id,
            "new_status": outcome.status.value,
            "at": to_epoch_ms(outcome.ended_at),
            "new_failure": failure_text(outcome.failure),
            "of_attempt": outcome.attempt or 0,
        }
        return self._database.write(lambda connection: _FINISH_WAITING.run(connection, given) == 1)

    async def adopt_executions(self, server_id: str) -> int:
        """Take over every open execution of other servers. How many."""
        return await self._database.write(lambda c: c.execute(_ADOPT, {"this_server": server_id}).rowcount)

    async def delete_execution(self, execution_id: str) -> bool:
        """False when it does not exist or is still open."""
        given = {"execution_id": execution_id}
        return await self._database.write(lambda c: c.execute(_DELETE, given).rowcount == 1)

    async def list_ended(self, before: datetime | None, after: str | None, limit: int) -> Sequence[str]:
        """Ids of those that have ended (before that instant), the first accepted first, behind the one `after`."""
        query = _ENDED.limit(limit)
        if before is not None:
            query = query.where(executions.c.ended_at < to_epoch_ms(before))
        if after is not None:
            query = query.where(executions.c.number > _NUMBER)
        given = {"before": after}
        return await self._database.read(lambda c: c.execute(query, given).scalars().all())

    async def get_execution(self, execution_id: str) -> Execution | None:
        """The execution of that id."""
        row = await self._database.read(lambda c: c.execute(_ONE, {"execution_id": execution_id}).first())
        return None if row is None else _execution(row)

    async def get_status(self, execution_id: str) -> ExecutionStatus | None:
        """Its status; None when it is gone."""
        status = await self._text(_STATUS, execution_id)
        return None if status is None else ExecutionStatus(status)

    async def get_input_values(self, execution_id: str) -> str | None:
        """As JSON; None when it is gone."""
        return await self._text(_INPUT_VALUES, execution_id)

    async def get_output_values(self, execution_id: str) -> str | None:
        """As JSON; None when it has none, or is gone."""
        return await self._text(_OUTPUT_VALUES, execution_id)

    async def list_executions(self, chosen: ExecutionFilter) -> Sequence[ExecutionSummary]:
        """Newest first."""
        query = _LIST.where(executions.c.environment_id == chosen.environment_id).limit(chosen.limit)
        if chosen.pipeline_id is not None:
            query = query.where(executions.c.pipeline_id == chosen.pipeline_id)
        if chosen.deployment_id is not None:
            query = query.where(executions.c.deployment_id == chosen.deployment_id)
        if chosen.status is not None:
            query = query.where(executions.c.status == chosen.status.value)
        if chosen.before is not None:
            query = query.where(executions.c.number < _NUMBER)
        given = {"before": chosen.before}
        return await self._database.read(lambda c: [_summary(row) for row in c.execute(query, given)])

    async def latest_execution(self, *, pipeline_id: str | None = None, deployment_id: str | None = None) -> str | None:
        """The id of the newest one of that pipeline, of that deployment."""
        chosen = _LATEST
        if pipeline_id is not None:
            chosen = chosen.where(executions.c.pipeline_id == pipeline_id)
        if deployment_id is not None:
            chosen = chosen.where(executions.c.deployment_id == deployment_id)
        return await self._database.read(lambda c: c.execute(chosen).scalar())

    async def list_open_executions(self) -> Sequence[PendingExecution]:
        """Every Pending or Running one, oldest first, without its values (an empty text)."""
        rows = await self._database.read(lambda c: list(c.execute(_OPEN_ONES)))
        return [_pending(row, "") for row in sorted(rows, key=lambda row: row.number)]

    async def has_open_execution(self, deployment_id: str) -> bool:
        """Whether an execution of that deployment has not ended."""
        given = {"deployment_id": deployment_id}
        return await self._database.read(lambda c: c.execute(_HAS_OPEN, given).first() is not None)

    async def get_pending(self, execution_id: str) -> PendingExecution | None:
        """One with its input values, for a pod; None when it is gone."""
        row = await self._database.read(lambda c: c.execute(_PENDING, {"execution_id": execution_id}).first())
        return None if row is None else _pending(row, row.input_values)

    async def _text(self, query: Select[Any], execution_id: str) -> str | None:
        return await self._database.read(lambda c: c.execute(query, {"execution_id": execution_id}).scalar())


def new_row(execution: NewExecution, server_id: str, due_at: datetime | None = None) -> dict[str, Any]:
    """The columns of one that is Pending. `due_at`: of the tick that it stands for."""
    return {
        "id": execution.id,
        "environment_id": execution.environment_id,
        "pipeline_id": execution.pipeline_id,
        "deployment_id": execution.deployment_id,
        "server_id": server_id,
        "status": ExecutionStatus.PENDING.value,
        "created_at": to_epoch_ms(execution.created_at),
        "created_by": execution.created_by,
        "due_at": maybe_epoch_ms(due_at),
        "mappings": storable_json(execution.mappings_json),
        "input_values": storable_json(execution.input_values_json),
        "endpoint_id": execution.endpoint_id,
        "queue_timeout_s": execution.queue_timeout_s,
        "retries": execution.retries_json,
    }


def failure_text(failure: Failure | None) -> str | None:
    """The column of a failure."""
    text = failure_to_json(failure)
    return None if text is None else storable_json(text)


def _execution(row: Record) -> Execution:
    inputs_mapping, outputs_mapping = mappings_from_json(row.mappings)
    return Execution(
        id=row.id,
        environment_id=row.environment_id,
        pipeline_id=row.pipeline_id,
        pipeline_name=row.pipeline_name,
        deployment_id=row.deployment_id,
        deployment_name=row.deployment_name,
        inputs_mapping=inputs_mapping,
        outputs_mapping=outputs_mapping,
        status=ExecutionStatus(row.status),
        created_at=from_epoch_ms(row.created_at),
        created_by=row.created_by,
        started_at=maybe_instant(row.started_at),
        ended_at=maybe_instant(row.ended_at),
        failure=failure_from_json(row.failure),
        due_at=maybe_instant(row.due_at),
        endpoint_id=row.endpoint_id,
        attempt=row.attempt or 1,
        retry_at=maybe_instant(row.retry_at),
    )


def _summary(row: Record) -> ExecutionSummary:
    return ExecutionSummary(
        id=row.id,
        status=ExecutionStatus(row.status),
        created_at=from_epoch_ms(row.created_at),
        created_by=row.created_by,
        ended_at=maybe_instant(row.ended_at),
        pipeline_name=row.pipeline_name,
        deployment_name=row.deployment_name,
        due_at=maybe_instant(row.due_at),
    )


def _pending(row: Record, input_values_json: str) -> PendingExecution:
    return PendingExecution(
        id=row.id,
        environment_id=row.environment_id,
        pipeline_id=row.pipeline_id,
        deployment_id=row.deployment_id,
        mappings_json=row.mappings,
        input_values_json=input_values_json,
        status=ExecutionStatus(row.status),
        due_at=maybe_instant(row.due_at),
        waits_since=from_epoch_ms(row.created_at),
        queue_timeout_s=row.queue_timeout_s,
        retries_json=row.retries,
        attempt=row.attempt or 1,
        retry_at=maybe_instant(row.retry_at),
    )
