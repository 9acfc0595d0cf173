"""What becomes of deployments' due ticks: executions, or Skipped ones that say why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeyard.clock import to_wire
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import ExecutionStatus, Failure, Tick
from pipeyard.domain.firings import Firing
from pipeyard.domain.schedules import DueTicks, due_ticks
from pipeyard.errors import PipeyardError
from pipeyard.pod.protocol import FailureKind
from pipeyard.ports import Engine
from pipeyard.services.executions import ExecutionService
from pipeyard.services.fire_times import FireTimes
from pipeyard.store_ports import DeploymentStore

# A firing that was planned ahead says that it was accepted when it was due: it must have been so, near enough.
PAGE = 500  # firings in one commit: other writes come in between
PUNCTUAL = timedelta(seconds=1)
BY_HAND = "If its result is needed, run it with a backfill."


@dataclass(frozen=True)
class TickService:
    """Fires. Any number of these may work on one store: it sees to it that a tick is dealt with once."""

    store: DeploymentStore
    engine: Engine
    executions: ExecutionService
    fire_times: FireTimes
    catch_up_s: float

    async def fire(self, deployments: Sequence[Deployment], now: datetime) -> None:
        """Deal with what is due of deployments, as they were read from the store: in one commit, then in the lanes.

        The newest tick of each becomes an execution, if it is not too late and not refused; those before were missed.
        All or nothing: whoever calls finds out which one is at fault, if any is.
        """
        self._dispatch(await self._commit(self._plan(one, now) for one in deployments))

    def plan_ahead(self, deployment: Deployment) -> Firing | None:
        """Its next firing, if that can be known before its time. None: only then."""
        due_at = deployment.next_fire_at
        assert deployment.schedule is not None
        assert due_at is not None
        try:
            execution = self.executions.of_tick(deployment, due_at)
        except PipeyardError:
            return None
        return Firing(deployment, (Tick(due_at, execution),), deployment.schedule.next_after(due_at))

    async def fire_planned(self, planned: Sequence[Firing], now: datetime) -> None:
        """As `fire`, of what `plan_ahead` gave. What came otherwise is left alone: it stays due, for `fire`.

        First all of it is durable, by the page, then it is given to the lanes: pods at work would hold up the commits.
        """
        accepted: list[Tick] = []
        try:
            for start in range(0, len(planned), PAGE):
                accepted += await self._commit(self._admit(one, now) for one in planned[start : start + PAGE])
        finally:
            self._dispatch(accepted)

    def _admit(self, planned: Firing, now: datetime) -> Firing | None:
        late = now - planned.ticks[0].due_at
        if not timedelta() <= late <= PUNCTUAL or now >= planned.next_fire_at:
            return None
        try:
            self.engine.admit(planned.deployment.id)
        except PipeyardError:
            return None
        return planned

    async def _commit(self, found: Iterable[Firing | None]) -> Sequence[Tick]:
        """Store them. The ticks that are to run, each with its place in the queue."""
        firings: list[Firing] = []
        stored = frozenset[str]()
        try:
            firings.extend(firing for firing in found if firing is not None)
            if firings:
                stored = await self.store.add_ticks(firings, self.executions.server_id)
        finally:
            admitted = [firing.ticks[-1] for firing in firings if firing.ticks[-1].skipped is None]
            for tick in admitted:
                if tick.execution.id not in stored:
                    self.engine.withdraw(tick.execution.deployment_id)
        for tick in (tick for firing in firings for tick in firing.ticks):
            if tick.skipped is not None and tick.execution.id in stored:
                self.executions.meters.execution_ended(ExecutionStatus.SKIPPED, tick.skipped)
        return [tick for tick in admitted if tick.execution.id in stored]

    def _dispatch(self, accepted: Sequence[Tick]) -> None:
        for tick in accepted:
            self.executions.dispatch(tick.execution, "schedule")
        self.fire_times.dispatched(accepted)

    def _plan(self, deployment: Deployment, now: datetime) -> Firing | None:
        assert deployment.schedule is not None
        assert deployment.next_fire_at is not None
        due = due_ticks(deployment.schedule, deployment.next_fire_at, now)
        if due is None:
            return None
        newest = self._newest(deployment, due.newest, now)
        return Firing(deployment, (*self._missed(deployment, due, now), newest), due.next_at)

    def _newest(self, deployment: Deployment, due_at: datetime, now: datetime) -> Tick:
        late_s = (now - due_at).total_seconds()
        if late_s > self.catch_up_s:
            reason = f"noticed {late_s:.0f} s late, which is more than the {self.catch_up_s:g} s of schedule_catch_up_s"
            return self._skipped(deployment, due_at, now, Failure(FailureKind.MISSED, _missed(due_at, reason), BY_HAND))
        try:
            execution = self.executions.of_tick(deployment, now)
            self.engine.admit(deployment.id)
        except PipeyardError as error:
            message = f"the tick of {to_wire(due_at)} could not be run: {error.message}"
            failure = Failure(FailureKind.REFUSED, message, "The next tick is tried as usual.")
            return self._skipped(deployment, due_at, now, failure)
        return Tick(due_at, execution)

    def _missed(self, deployment: Deployment, due: DueTicks, now: datetime) -> Iterator[Tick]:
        for index, due_at in enumerate(due.missed):
            reason = f"only the newest of the missed ticks is run, that of {to_wire(due.newest)}"
            if index == 0 and due.left_out:
                reason += f"; this record stands for all ticks before {to_wire(due.missed[1])}"
            failure = Failure(FailureKind.MISSED, _missed(due_at, reason), BY_HAND)
            yield self._skipped(deployment, due_at, now, failure)

    def _skipped(self, deployment: Deployment, due_at: datetime, now: datetime, failure: Failure) -> Tick:
        return Tick(due_at, self.executions.of_skipped_tick(deployment, now), failure)


def _missed(due_at: datetime, reason: str) -> str:
    return (
        f"the tick of {to_wire(due_at)} was missed (no server was there in time, or its clock jumped ahead): {reason}"
    )
