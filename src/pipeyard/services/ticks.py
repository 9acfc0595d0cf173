"""Deals with the due ticks of deployments: decides, stores what was decided, and dispatches what is to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import ExecutionStatus, Failure, Tick
from pipeyard.domain.firings import Firing
from pipeyard.domain.schedule_options import Overlap
from pipeyard.domain.ticks import Decision, decide, expected
from pipeyard.errors import PipeyardError
from pipeyard.ports import Engine
from pipeyard.services.executions import ExecutionService
from pipeyard.services.fire_times import FireTimes
from pipeyard.services.skip_reasons import reason, refusal
from pipeyard.store_ports import Store

PAGE = 1250  # firings in one commit: other writes come in between
# A firing that was planned ahead says that it was accepted at its time: it must have been so, near enough.
PUNCTUAL = timedelta(seconds=1)
TRIES = 2


@dataclass(frozen=True)
class TickService:
    """Fires. Any number of these may work on one store: it sees to it that a tick is dealt with once."""

    store: Store
    engine: Engine
    executions: ExecutionService
    fire_times: FireTimes
    catch_up_s: float
    # Deployments whose held tick this server knows of: a hint that the end of an execution is worth a look.
    holding: set[str] = field(default_factory=set)

    async def fire(self, deployments: Sequence[Deployment], now: datetime) -> None:
        """Deal with what is due of deployments, as they were read from the store: in one commit, then in the lanes.

        All or nothing: whoever calls finds out which one is at fault, if any is.
        """
        for _ in range(TRIES):
            decided = [(one, decision) for one in deployments if (decision := await self._decide(one, now)) is not None]
            accepted, busy = await self._commit(self._firing(one, decision, now) for one, decision in decided)
            self._dispatch(accepted)
            # With the execution that came in between the decision is another one.
            reread = [await self.store.get_deployment_by_id(one.id) for one in busy]
            deployments = [one for one in reread if one is not None]
            if not deployments:
                return

    def plan_ahead(self, deployment: Deployment) -> Firing | None:
        """Its next firing, if that can be known before its time. None: only then."""
        wake_at = deployment.wake_at
        if wake_at is None or _is_alone(deployment):
            return None
        decision = decide(deployment, wake_at, self.catch_up_s, False)
        if decision is None or decision.skipped:
            return None
        try:
            ticks = [self._tick(deployment, due_at, wake_at) for due_at in decision.run]
        except PipeyardError:
            return None
        return Firing(deployment, ticks, decision.onward)

    async def fire_planned(self, planned: Sequence[Firing], now: datetime) -> None:
        """As `fire`, of what `plan_ahead` gave. What came otherwise is left alone: it stays due, for `fire`.

        First all of it is durable, by the page, then it is given to the lanes: pods at work would hold up the commits.
        """
        accepted: list[Tick] = []
        try:
            for start in range(0, len(planned), PAGE):
                stored, _ = await self._commit(self._admit(one, now) for one in planned[start : start + PAGE])
                accepted += stored
        finally:
            self._dispatch(accepted)

    def forget(self, deployment_id: str, execution_ids: Iterable[str]) -> None:
        """It was deleted with its executions."""
        self.holding.discard(deployment_id)
        for execution_id in execution_ids:
            self.fire_times.ended(execution_id)

    def _admit(self, planned: Firing, now: datetime) -> Firing | None:
        following = planned.onward.wake_at
        if not timedelta() <= now - planned.wake_at <= PUNCTUAL or following is None or now >= following:
            return None
        try:
            self.engine.admit(planned.deployment.id)
        except PipeyardError:
            return None
        return planned

    async def _decide(self, deployment: Deployment, now: datetime) -> Decision | None:
        has_open = _is_alone(deployment) and await self.store.has_open_execution(deployment.id)
        return decide(deployment, now, self.catch_up_s, has_open)

    async def _commit(self, found: Iterable[Firing | None]) -> tuple[Sequence[Tick], Sequence[Deployment]]:
        """Store them. The ticks to run, each with its place in the queue, and the deployments not idle as they must be.

        What was changed since it was read is in neither.
        """
        firings: list[Firing] = []
        results: Sequence[frozenset[str] | None] = ()
        stored = frozenset[str]()
        try:
            firings.extend(firing for firing in found if firing is not None)
            if firings:
                results = await self.store.add_ticks(firings, self.executions.server_id)
                stored = stored.union(*(ids for ids in results if ids is not None))
        finally:
            ticks = [tick for firing in firings for tick in firing.ticks]
            for tick in ticks:
                if tick.skipped is None and tick.execution.id not in stored:
                    self.engine.withdraw(tick.execution.deployment_id)
        for firing, ids in zip(firings, results, strict=True):
            if ids is not None:
                self._note_held(firing)
        kept = [tick for tick in ticks if tick.execution.id in stored]
        for tick in kept:
            if tick.skipped is not None:
                self.executions.meters.execution_ended(ExecutionStatus.SKIPPED, tick.skipped)
        busy = [
            one.deployment for one, ids in zip(firings, results, strict=True) if ids is None and one.onward.needs_idle
        ]
        return [tick for tick in kept if tick.skipped is None], busy

    def _note_held(self, firing: Firing) -> None:
        is_held = firing.onward.held_tick_at is not None
        (self.holding.add if is_held else self.holding.discard)(firing.deployment.id)

    def _dispatch(self, accepted: Sequence[Tick]) -> None:
        for tick in accepted:
            self.executions.dispatch(tick.execution, "schedule")
        self.fire_times.dispatched(accepted)

    def _firing(self, deployment: Deployment, decision: Decision, now: datetime) -> Firing:
        skipped = [self._skipped(deployment, skip.due_at, now, reason(skip)) for skip in decision.skipped]
        run = [self._admitted(deployment, due_at, now) for due_at in decision.run]
        return Firing(deployment, (*skipped, *run), decision.onward)

    def _admitted(self, deployment: Deployment, due_at: datetime, now: datetime) -> Tick:
        try:
            tick = self._tick(deployment, due_at, now)
            self.engine.admit(deployment.id)
        except PipeyardError as error:
            return self._skipped(deployment, due_at, now, refusal(due_at, error))
        return tick

    def _tick(self, deployment: Deployment, due_at: datetime, now: datetime) -> Tick:
        # A tick that was held is not late: it waited.
        fire_at = now if due_at == deployment.held_tick_at else expected(deployment, due_at)
        return Tick(due_at, self.executions.of_tick(deployment, now), fire_at=fire_at)

    def _skipped(self, deployment: Deployment, due_at: datetime, now: datetime, failure: Failure) -> Tick:
        return Tick(due_at, self.executions.of_skipped_tick(deployment, now), failure)


def _is_alone(deployment: Deployment) -> bool:
    """Whether its ticks depend on the executions that are open."""
    return deployment.schedule_options.overlap is not Overlap.ALLOW or deployment.held_tick_at is not None
