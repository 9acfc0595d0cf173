"""Ticks of schedules as rows: each is dealt with once, whoever tries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, exists, func, insert, literal_column, or_, select, text, update

from pipeyard.clock import maybe_epoch_ms, to_epoch_ms
from pipeyard.domain.executions import ExecutionStatus, Tick
from pipeyard.domain.firings import Firing
from pipeyard.errors import ConflictError
from pipeyard.store.database import Rows
from pipeyard.store.executions import ADD, ADD_SKIPPED, failure_text, new_row
from pipeyard.store.prepared import Prepared
from pipeyard.store.tables import IS_OPEN, deployments, executions, ticks

_MOVE_ON = Prepared(
    update(deployments)
    .where(
        deployments.c.id == bindparam("deployment"),
        deployments.c.next_fire_at.is_not_distinct_from(bindparam("seen_fire_at")),
        deployments.c.held_tick_at.is_not_distinct_from(bindparam("seen_held")),
        deployments.c.updated_at == bindparam("seen_updated_at"),
        or_(
            bindparam("needs_idle", type_=Integer) == literal_column("0"),
            ~exists().where(executions.c.deployment_id == bindparam("deployment"), text(f"executions.{IS_OPEN}")),
        ),
    )
    .values(
        next_fire_at=bindparam("new_fire_at"),
        wake_at=bindparam("new_wake_at"),
        held_tick_at=bindparam("new_held"),
        last_tick_at=bindparam("newest"),
        last_fire_at=func.coalesce(bindparam("newest_run"), deployments.c.last_fire_at),
    )
)
_GIVEN = ("deployment_id", "due_at", "id")  # of the row of the execution
_THIS = (ticks.c.deployment_id == bindparam("deployment_id"), ticks.c.due_at == bindparam("due_at"))
_TAKE = Prepared(
    insert(ticks).from_select(
        ["deployment_id", "due_at", "execution_id"],
        select(*(bindparam(name) for name in _GIVEN)).where(~exists().where(*_THIS)),
    )
)
_WAS_SKIPPED = exists().where(executions.c.id == ticks.c.execution_id, text("executions.status = 'Skipped'"))
_TAKE_OVER = Prepared(update(ticks).where(*_THIS, _WAS_SKIPPED).values(execution_id=bindparam("id")))


class TickRows(Rows):
    """Implements the part of `ports.DeploymentStore` that the clock drives."""

    def add_ticks(self, firings: Sequence[Firing], server_id: str) -> asyncio.Future[Sequence[frozenset[str] | None]]:
        """Store what becomes of due ticks and move deployments on, all or nothing. Of each, the executions stored.

        None: nothing was written of it, since the deployment is no longer as it was read, or is not idle but has to be.
        A tick that was dealt with before gives no execution. Raises ConflictError when the id of one is taken.
        """
        prepared = [(_move(one), [_row(tick, server_id) for tick in one.ticks]) for one in firings]

        def add(connection: Connection) -> Sequence[frozenset[str] | None]:
            move_on, take, store = _MOVE_ON.on(connection), _TAKE.on(connection), _adding(connection)
            return [
                frozenset(row["id"] for row in rows if take(row) and store(row)) if move_on(move) else None
                for move, rows in prepared
            ]

        return self._database.write(add)

    def add_missing_ticks(self, missing: Sequence[Tick], server_id: str) -> asyncio.Future[frozenset[str]]:
        """Store executions for those ticks that were never run: not dealt with, or Skipped. The executions stored.

        All or nothing. Raises ConflictError when the deployment is gone or the id of an execution is taken.
        """
        rows = [_row(tick, server_id) for tick in missing]

        def add(connection: Connection) -> frozenset[str]:
            store = _adding(connection)
            return frozenset(row["id"] for row in rows if _take_unrun(connection, row) and store(row))

        return self._database.write(add)


def _take_unrun(connection: Connection, row: dict[str, Any]) -> bool:
    try:
        return bool(_TAKE.run(connection, row) or _TAKE_OVER.run(connection, row))
    except connection.dialect.loaded_dbapi.IntegrityError:
        raise ConflictError("the deployment was deleted") from None


def _adding(connection: Connection) -> Callable[[dict[str, Any]], bool]:
    add, add_skipped = ADD.on(connection), ADD_SKIPPED.on(connection)

    def store(row: dict[str, Any]) -> bool:
        try:
            (add_skipped if "failure" in row else add)(row)
        except connection.dialect.loaded_dbapi.IntegrityError as error:
            raise ConflictError(f'the execution "{row["id"]}" of a tick: {error}') from None
        return True

    return store


def _move(firing: Firing) -> dict[str, Any]:
    deployment, onward = firing.deployment, firing.onward
    return {
        "deployment": deployment.id,
        "seen_fire_at": maybe_epoch_ms(deployment.next_fire_at),
        "seen_held": maybe_epoch_ms(deployment.held_tick_at),
        "seen_updated_at": to_epoch_ms(deployment.updated_at),
        "needs_idle": int(onward.needs_idle),
        "new_fire_at": maybe_epoch_ms(onward.next_fire_at),
        "new_wake_at": maybe_epoch_ms(onward.wake_at),
        "new_held": maybe_epoch_ms(onward.held_tick_at),
        "newest": maybe_epoch_ms(onward.last_tick_at),
        "newest_run": max((to_epoch_ms(tick.due_at) for tick in firing.ticks if tick.skipped is None), default=None),
    }


def _row(tick: Tick, server_id: str) -> dict[str, Any]:
    row = new_row(tick.execution, server_id, tick.due_at)
    if tick.skipped is None:
        return row
    ended = {"status": ExecutionStatus.SKIPPED.value, "ended_at": row["created_at"]}
    return row | ended | {"failure": failure_text(tick.skipped)}
