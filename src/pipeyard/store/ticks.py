"""Ticks of schedules as rows: each is dealt with once, whoever tries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, exists, func, insert, literal_column, or_, select, text, update

from pipeyard.clock import maybe_epoch_ms, to_epoch_ms
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import ExecutionStatus, Tick
from pipeyard.domain.ticks import Onward
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
_GIVEN = ("deployment", "due", "execution")
_IS_NEW = ~exists().where(ticks.c.deployment_id == bindparam("deployment"), ticks.c.due_at == bindparam("due"))
_TAKE = Prepared(
    insert(ticks).from_select(
        ["deployment_id", "due_at", "execution_id"], select(*(bindparam(name) for name in _GIVEN)).where(_IS_NEW)
    )
)


class TickRows(Rows):
    """Implements the part of `ports.DeploymentStore` that the clock drives."""

    def add_ticks(
        self, deployment: Deployment, due: Sequence[Tick], onward: Onward, server_id: str
    ) -> asyncio.Future[frozenset[str] | None]:
        """Store what becomes of due ticks and move the deployment on, all or nothing. The executions that were stored.

        None: nothing was written, since the deployment is no longer as it was read, or is not idle but has to be.
        A tick that was dealt with before gives no execution. Raises ConflictError when the id of one is taken.
        """
        moved = {
            "deployment": deployment.id,
            "seen_fire_at": maybe_epoch_ms(deployment.next_fire_at),
            "seen_held": maybe_epoch_ms(deployment.held_tick_at),
            "seen_updated_at": to_epoch_ms(deployment.updated_at),
            "needs_idle": int(onward.needs_idle),
            "new_fire_at": maybe_epoch_ms(onward.next_fire_at),
            "new_wake_at": maybe_epoch_ms(onward.wake_at),
            "new_held": maybe_epoch_ms(onward.held_tick_at),
            "newest": maybe_epoch_ms(onward.last_tick_at),
            "newest_run": max((to_epoch_ms(tick.due_at) for tick in due if tick.skipped is None), default=None),
        }
        rows = [(tick.skipped is None, _tick_row(deployment, tick), _row(tick, server_id)) for tick in due]

        def add(connection: Connection) -> frozenset[str] | None:
            if _MOVE_ON.run(connection, moved) == 0:
                return None
            try:
                return frozenset(row["id"] for is_run, tick, row in rows if _add(connection, is_run, tick, row))
            except connection.dialect.loaded_dbapi.IntegrityError as error:
                raise ConflictError(f'ticks of the deployment "{deployment.name}": {error}') from None

        return self._database.write(add)


def _add(connection: Connection, is_run: bool, tick: dict[str, Any], row: dict[str, Any]) -> bool:
    """False when the tick was dealt with before."""
    if _TAKE.run(connection, tick) == 0:
        return False
    (ADD if is_run else ADD_SKIPPED).run(connection, row)
    return True


def _tick_row(deployment: Deployment, tick: Tick) -> dict[str, Any]:
    return {"deployment": deployment.id, "due": to_epoch_ms(tick.due_at), "execution": tick.execution.id}


def _row(tick: Tick, server_id: str) -> dict[str, Any]:
    row = new_row(tick.execution, server_id)
    if tick.skipped is None:
        return row
    ended = {"status": ExecutionStatus.SKIPPED.value, "ended_at": row["created_at"]}
    return row | ended | {"failure": failure_text(tick.skipped)}
