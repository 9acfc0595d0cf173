"""What becomes of a deployment's due ticks: an execution, or a Skipped one that says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeyard.clock import to_wire
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import Failure, Tick, pending
from pipeyard.domain.schedules import DueTicks, due_ticks
from pipeyard.errors import PipeyardError
from pipeyard.pod.protocol import FailureKind
from pipeyard.ports import Engine
from pipeyard.services.executions import ExecutionService
from pipeyard.store_ports import DeploymentStore

BY_HAND = "If its result is needed, run the pipeline by hand."


@dataclass(frozen=True)
class TickService:
    """Fires. Any number of these may work on one store: it sees to it that a tick is dealt with once."""

    store: DeploymentStore
    engine: Engine
    executions: ExecutionService
    catch_up_s: float

    async def fire(self, deployment: Deployment, now: datetime) -> None:
        """Deal with what is due of a deployment, as it was read from the store.

        The newest tick becomes an execution, if it is not too late and not refused; those before it were missed.
        """
        assert deployment.schedule is not None
        assert deployment.next_fire_at is not None
        due = due_ticks(deployment.schedule, deployment.next_fire_at, now)
        if due is None:
            return
        newest = self._newest(deployment, due.newest, now)
        ticks = [*self._missed(deployment, due, now), newest]
        is_admitted, stored = newest.skipped is None, frozenset[str]()
        try:
            stored = await self.store.add_ticks(deployment, ticks, due.next_at, self.executions.server_id)
        finally:
            if is_admitted and newest.execution.id not in stored:
                self.engine.withdraw(deployment.id)
        if is_admitted and newest.execution.id in stored:
            self.engine.dispatch(pending(newest.execution))

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
