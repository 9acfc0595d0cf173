"""Lanes over a workshop in memory, in which the database and the data store can be away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from pipeyard.domain.claims import Claim, Supply
from pipeyard.domain.deployments import Deployment, DeploymentStatus, Resources
from pipeyard.domain.executions import ExecutionStatus, Failure, Outcome, PendingExecution
from pipeyard.domain.log_lines import LogBatch
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.pods import PodFailure, PodRef
from pipeyard.engine.admission import Admission
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.retrying import Retrying
from pipeyard.errors import UnavailableError

NOTHING = Claim()
AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


def deployment() -> Deployment:
    return Deployment(
        id="d",
        environment_id="e",
        name="d",
        pipeline_id="p",
        pipeline_name="p",
        rule=Rule.ENDPOINT,
        mode=Mode.LOW_LATENCY,
        description=None,
        inputs_mapping=(),
        outputs_mapping=(),
        resources=Resources(),
        execution_timeout_s=None,
        endpoint_url_path="d",
        endpoint_token="t",
        is_enabled=True,
        status=DeploymentStatus.CREATION_PENDING,
        created_at=AT,
        created_by="u",
        updated_at=AT,
        updated_by="u",
    )


def execution(execution_id: str) -> PendingExecution:
    return PendingExecution(execution_id, "e", "p", None, "[]", "{}", ExecutionStatus.PENDING)


class PodInMemory:
    """Ready at once; runs what it is given until it is told that it has ended."""

    def __init__(self, number: int, on_missing: Callable[[list[str]], None]) -> None:
        self.on_missing = on_missing
        self.ref = PodRef(f"pod-{number}", 1, 1, "boot", None, None)
        self.pod_id = self.ref.pod_id
        self.welcomed, self.ready, self.gone, self.freed = (asyncio.Event() for _ in range(4))
        self.welcomed.set()
        self.ready.set()
        self.in_flight: dict[str, int] = {}
        self.started: set[str] = set()
        self.exit_failure = None
        self.told_to_stop = False
        self.in_threads = self.ended_for_cancelled = False
        self.cancelled: list[str] = []

    def has_begun(self, execution_id: str) -> bool:
        return execution_id in self.started

    def cancel(self, execution_id: str) -> None:
        self.cancelled.append(execution_id)

    def stop(self, grace_s: float) -> None:
        self.told_to_stop = True
        self.gone.set()

    def lost_failure(self) -> Failure:
        return Failure("lost", "gone")

    def finish(self, execution_id: str) -> None:
        del self.in_flight[execution_id]
        self.freed.set()

    def end(self, execution_id: str) -> None:
        """As an elastic one does."""
        self.finish(execution_id)
        self.gone.set()


@dataclass(frozen=True)
class SpecInMemory:
    """What a pod is started from, as far as lanes look at it."""

    claim: Claim
    gpus: tuple[str, ...] = ()


@dataclass
class WorkshopInMemory:
    """The parts of `Workshop` that lanes use. What is in `away` fails when it is asked."""

    away: set[str] = field(default_factory=set)
    tasks: GuardedTasks = field(default_factory=GuardedTasks)
    pods: list[PodInMemory] = field(default_factory=list)
    given: list[tuple[str, str]] = field(default_factory=list)
    ends: dict[str, tuple[ExecutionStatus, Failure]] = field(default_factory=dict)
    statuses: list[DeploymentStatus] = field(default_factory=list)
    pod_failures: list[PodFailure] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # for what is away
    times_asked: int = 0
    gone: set[str] = field(default_factory=set)  # executions whose rows were deleted
    claims: dict[str, Claim] = field(default_factory=dict)  # by the id of the deployment or execution
    admission: Admission = field(default_factory=lambda: Admission(Supply(100, ("GPU-a", "GPU-b"))))
    specs: list[SpecInMemory] = field(default_factory=list)  # of the pods
    is_slow: bool = False  # pods take for ever to be ready
    lines: list[str] = field(default_factory=list)
    server_id: str = "s"
    retrying: Retrying = field(default_factory=Retrying)
    status: ExecutionStatus = ExecutionStatus.PENDING  # of every execution

    @property
    def store(self) -> WorkshopInMemory:
        return self

    runtime = records = logs = store

    @property
    def ids_given(self) -> list[str]:
        return [execution_id for _, execution_id in self.given]

    def _ask(self, what: str) -> None:
        self.times_asked += what in self.away
        if what in self.away:
            self.asked.set()
            raise UnavailableError(f"{what} is away")

    async def get_pending(self, execution_id: str) -> PendingExecution | None:
        self._ask("database")
        return None if execution_id in self.gone else execution(execution_id)

    async def get_status(self, execution_id: str) -> ExecutionStatus:
        self._ask("database")
        return self.status

    async def set_deployment_status(self, deployment_id: str, status: DeploymentStatus) -> bool:
        self._ask("database")
        self.statuses.append(status)
        return True

    async def set_pod_failure(self, deployment_id: str, failure: PodFailure) -> bool:
        self._ask("database")
        self.pod_failures.append(failure)
        return True

    async def append(self, batch: LogBatch) -> None:
        self._ask("database")
        self.lines.extend(line.message for line in batch.lines)

    async def finish_waiting(self, execution_id: str, server_id: str, outcome: Outcome) -> bool:
        if execution_id in self.ids_given or outcome.failure is None:
            return False
        self.ends[execution_id] = outcome.status, outcome.failure
        return True

    async def fail(
        self, execution_id: str, status: ExecutionStatus, failure: Failure, attempt: int | None = None
    ) -> None:
        self.ends[execution_id] = status, failure

    def ended(self, execution_id: str, outcome: object) -> None:
        pass

    def notify(self, deployment_id: str) -> None:
        pass

    async def give_up(self, execution_id: str, error: BaseException) -> None:
        await self.fail(execution_id, ExecutionStatus.ERROR, Failure("platform", str(error)))

    async def deployment_pod(self, deployment: Deployment) -> SpecInMemory:
        self._ask("database")
        return SpecInMemory(replace(self.claims.get(deployment.id, NOTHING), is_lasting=True))

    async def execution_pod(self, execution: PendingExecution) -> SpecInMemory:
        self._ask("database")
        return SpecInMemory(self.claims.get(execution.id, NOTHING))

    async def start_pod(self, spec: SpecInMemory, on_missing: Callable[[list[str]], None]) -> PodInMemory:
        self.specs.append(spec)
        self.pods.append(PodInMemory(len(self.pods), on_missing))
        if self.is_slow:
            self.pods[-1].ready.clear()
        return self.pods[-1]

    async def check_inputs(self, execution: PendingExecution) -> None:
        self._ask(f"objects of {execution.id}")
        self._ask("data store")

    async def give(self, pod: PodInMemory, execution: PendingExecution, *timeouts_s: int | None) -> bool:
        await self.check_inputs(execution)
        pod.in_flight[execution.id] = execution.attempt
        self.given.append((pod.pod_id, execution.id))
        return True

    async def stop(self, ref: PodRef, grace_s: float) -> None:
        for pod in self.pods:
            if pod.ref == ref:
                pod.gone.set()
