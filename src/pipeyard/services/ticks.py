"""Deals with the due ticks of a deployment: decides, stores what was decided, and dispatches what is to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import Failure, Tick, pending
from pipeyard.domain.schedule_options import Overlap
from pipeyard.domain.ticks import Onward, decide
from pipeyard.errors import PipeyardError
from pipeyard.ports import Engine
from pipeyard.services.executions import ExecutionService
from pipeyard.services.skip_reasons import reason, refusal
from pipeyard.store_ports import Store

TRIES = 2


@dataclass(frozen=True)
class TickService:
    """Fires. Any number of these may work on one store: it sees to it that a tick is dealt with once."""

    store: Store
    engine: Engine
    executions: ExecutionService
    catch_up_s: float
    # Deployments whose held tick this server knows of: a hint that the end of an execution is worth a look.
    holding: set[str] = field(default_factory=set)

    async def fire(self, deployment: Deployment, now: datetime) -> None:
        """Deal with what is due of a deployment, as it was read from the store."""
        found: Deployment | None = deployment
        for _ in range(TRIES):
            if found is None or await self._fire(found, now):
                return
            # With the execution that came in between the decision is another one.
            found = await self.store.get_deployment_by_id(deployment.id)

    async def _fire(self, deployment: Deployment, now: datetime) -> bool:
        """False: the deployment is not idle any more, as it has to be."""
        is_alone = deployment.schedule_options.overlap is not Overlap.ALLOW or deployment.held_tick_at is not None
        has_open = is_alone and await self.store.has_open_execution(deployment.id)
        decision = decide(deployment, now, self.catch_up_s, has_open)
        if decision is None:
            return True
        skipped = [self._skipped(deployment, skip.due_at, now, reason(skip)) for skip in decision.skipped]
        run = [self._admitted(deployment, due_at, now) for due_at in decision.run]
        return await self._store(deployment, [*skipped, *run], decision.onward)

    async def _store(self, deployment: Deployment, ticks: Sequence[Tick], onward: Onward) -> bool:
        admitted = [tick.execution for tick in ticks if tick.skipped is None]
        stored: frozenset[str] | None = None
        try:
            stored = await self.store.add_ticks(deployment, ticks, onward, self.executions.server_id)
        finally:
            for execution in admitted:
                if stored is None or execution.id not in stored:
                    self.engine.withdraw(deployment.id)
        if stored is None:
            return not onward.needs_idle
        (self.holding.discard if onward.held_tick_at is None else self.holding.add)(deployment.id)
        for execution in admitted:
            if execution.id in stored:
                self.engine.dispatch(pending(execution))
        return True

    def _admitted(self, deployment: Deployment, due_at: datetime, now: datetime) -> Tick:
        try:
            execution = self.executions.of_tick(deployment, now)
            self.engine.admit(deployment.id)
        except PipeyardError as error:
            return self._skipped(deployment, due_at, now, refusal(due_at, error))
        return Tick(due_at, execution)

    def _skipped(self, deployment: Deployment, due_at: datetime, now: datetime, failure: Failure) -> Tick:
        return Tick(due_at, self.executions.of_skipped_tick(deployment, now), failure)
