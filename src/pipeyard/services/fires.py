"""Periodic deployments that fire because somebody asks: now, or for the fire times of a range."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from pipeyard import clock
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import NewExecution, Tick
from pipeyard.domain.schedules import Schedule
from pipeyard.errors import ConflictError, InvalidInputError
from pipeyard.ports import Engine
from pipeyard.services.executions import ExecutionService
from pipeyard.store_ports import Store

BACKFILL_DEFAULT = 100  # fire times of a range, unless more are asked for
BACKFILL_MAX = 1000
COUNTED_MAX = 10_000


@dataclass(frozen=True)
class Backfill:
    """The fire times in [begin, end), `most` at most."""

    begin: datetime
    end: datetime
    most: int = BACKFILL_DEFAULT


@dataclass(frozen=True)
class FireService:
    """What a user can ask of a schedule beyond waiting, whatever its overlap policy. Executions say who asked."""

    store: Store
    engine: Engine
    executions: ExecutionService

    async def run_now(self, deployment: Deployment, user_id: str) -> str:
        """Queue an execution with the deployment's mappings. It stands for no tick: the clock goes on as it did.

        Raises InvalidInputError (not periodic), ConflictError (disabled), TooLargeError, QueueFullError.
        """
        _schedule(deployment)
        execution = self._execution(deployment, user_id)
        # From here on it is queued or it is not, even if the caller is gone meanwhile.
        await asyncio.shield(asyncio.ensure_future(self._run_now(execution)))
        return execution.id

    async def _run_now(self, execution: NewExecution) -> None:
        self.engine.admit(execution.deployment_id)
        try:
            await self.store.add_execution(execution, self.executions.server_id)
        except BaseException:
            self.engine.withdraw(execution.deployment_id)
            raise
        self.executions.dispatch(execution, "run_now")

    async def backfill(self, deployment: Deployment, user_id: str, wanted: Backfill) -> Sequence[Tick]:
        """Queue an execution for each fire time of the range that was never run: missed, or before its creation.

        All or none of them; the ticks that have one now, oldest first. Raises as `run_now`.
        """
        schedule = _schedule(deployment)
        if not wanted.begin < wanted.end <= clock.now():
            raise InvalidInputError(
                "from, to", "are no range of the past", '"from" before "to", "to" not later than now'
            )
        times = await asyncio.to_thread(lambda: list(islice(_fire_times(schedule, wanted), COUNTED_MAX + 1)))
        if len(times) > wanted.most:
            count = f"more than {COUNTED_MAX}" if len(times) > COUNTED_MAX else str(len(times))
            problem = f"the range has {count} fire times, which is more than {wanted.most}"
            raise InvalidInputError("max_executions", problem, f"as many as there are, up to {BACKFILL_MAX}")
        ticks = [Tick(due_at, self._execution(deployment, user_id)) for due_at in times]
        return await asyncio.shield(asyncio.ensure_future(self._backfill(deployment, ticks)))

    async def _backfill(self, deployment: Deployment, ticks: Sequence[Tick]) -> Sequence[Tick]:
        admitted, stored = 0, frozenset[str]()
        try:
            for _ in ticks:
                self.engine.admit(deployment.id)
                admitted += 1
            stored = await self.store.add_missing_ticks(ticks, self.executions.server_id)
        finally:
            for _ in range(admitted - len(stored)):
                self.engine.withdraw(deployment.id)
        accepted = [tick for tick in ticks if tick.execution.id in stored]
        for tick in accepted:
            self.executions.dispatch(tick.execution, "backfill")
        return accepted

    def _execution(self, deployment: Deployment, user_id: str) -> NewExecution:
        return replace(self.executions.of_tick(deployment, clock.now()), created_by=user_id)


def _schedule(deployment: Deployment) -> Schedule:
    if deployment.schedule is None:
        raise InvalidInputError("deployment", f'"{deployment.name}" has no schedule', "trigger it as an endpoint")
    if not deployment.is_enabled:
        raise ConflictError(f'deployment "{deployment.name}" is disabled; enable it to run it')
    return deployment.schedule


def _fire_times(schedule: Schedule, wanted: Backfill) -> Iterator[datetime]:
    due_at = schedule.next_after(wanted.begin - timedelta(microseconds=1))
    while due_at < wanted.end:
        yield due_at
        due_at = schedule.next_after(due_at)
