"""The elastic lane: each execution in a new pod, as many at once as the machine may hold."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pipeyard.domain.executions import ExecutionStatus, Failure, PendingExecution
from pipeyard.domain.pods import PodRef
from pipeyard.engine.patience import Patience, is_passing, until_done
from pipeyard.engine.pods import Pod
from pipeyard.engine.waits import first_of
from pipeyard.engine.workshop import Workshop
from pipeyard.errors import PodError
from pipeyard.pod.protocol import FailureKind

logger = logging.getLogger(__name__)

STARTS_MAX = 3  # pods tried for one execution, as long as none has begun to run it


@dataclass
class Carried:
    """An execution that has a place on the machine, and its pod once that is started."""

    deployment_id: str | None = None
    pipeline_id: str | None = None
    pod: Pod | None = None
    is_given: bool = False  # the pod has it, or has ended it
    is_unwanted: bool = False  # its row is gone


class ElasticLane:
    """First come, first served, over all elastic deployments and runs."""

    def __init__(self, workshop: Workshop, pods_max: int) -> None:
        self._workshop = workshop
        self._pods_max = pods_max
        self._waiting: deque[str] = deque()
        self._carried: dict[str, Carried] = {}

    def submit(self, execution_id: str) -> None:
        """Queue an execution that is Pending in the store."""
        self._waiting.append(execution_id)
        self._fill()

    def adopt(self, execution_id: str, ref: PodRef) -> None:
        """Go on with an execution whose pod was started by an earlier server."""
        self._start(execution_id, ref)

    async def stop(self, concerns: Callable[[Carried], bool]) -> None:
        """End the pods of executions whose rows are gone."""
        for carried in list(self._carried.values()):
            if concerns(carried):
                carried.is_unwanted = True
                await self._stop_pod(carried)

    @property
    def waiting(self) -> int:
        """Executions that have no pod yet."""
        return len(self._waiting)

    def list_pods(self) -> list[tuple[str, str]]:
        """Id of the execution, and the status of its pod."""
        return [
            (execution_id, "starting" if carried.pod is None or not carried.pod.ready.is_set() else "up")
            for execution_id, carried in self._carried.items()
        ]

    def close(self) -> list[Pod]:
        """Start no more; the pods there are. What has not begun stays Pending, for the next server."""
        self._pods_max = 0
        return [carried.pod for carried in self._carried.values() if carried.pod is not None]

    def let_go(self) -> None:
        """Leave the pods to the next server."""
        for carried in self._carried.values():
            if carried.pod is not None:
                carried.pod.let_go()

    def _fill(self) -> None:
        while self._waiting and len(self._carried) < self._pods_max:
            self._start(self._waiting.popleft(), None)

    def _start(self, execution_id: str, ref: PodRef | None) -> None:
        self._carried[execution_id] = Carried()
        self._workshop.tasks.start(self._carry(execution_id, ref), f"execution {execution_id}")

    async def _carry(self, execution_id: str, ref: PodRef | None) -> None:
        try:
            await self._run(execution_id, ref)
        except Exception:
            logger.exception("execution %s cannot be carried on", execution_id)
            await self._stop_pod(self._carried[execution_id])
            failure = Failure(
                FailureKind.PLATFORM, "the platform failed to run it", "The server's log has the details."
            )
            await self._workshop.records.fail(execution_id, ExecutionStatus.ERROR, failure)
        finally:
            del self._carried[execution_id]
            self._fill()

    async def _stop_pod(self, carried: Carried) -> None:
        if carried.pod is not None:
            await self._workshop.runtime.stop(carried.pod.ref, 0)

    async def _run(self, execution_id: str, ref: PodRef | None) -> None:
        carried = self._carried[execution_id]
        failure = Failure(FailureKind.PLATFORM, f"{STARTS_MAX} pods ended before they began to run the execution")
        for _ in range(STARTS_MAX):
            execution = await until_done(
                lambda: self._workshop.store.get_pending(execution_id), f"execution {execution_id}"
            )
            if execution is None or execution.status.is_final:
                self._workshop.records.ended(execution_id, None)
                return
            carried.deployment_id, carried.pipeline_id = execution.deployment_id, execution.pipeline_id
            try:
                pod = carried.pod = await self._pod(execution, carried, ref)
            except PodError as error:
                failure = Failure(FailureKind.PLATFORM, error.message, "The server's log has the details.")
                continue
            await self._hand_over(pod, execution, carried)
            await pod.gone.wait()
            if carried.is_given and execution_id not in pod.in_flight:
                return
            if execution_id in pod.started or execution.status is ExecutionStatus.RUNNING:
                failure = pod.lost_failure()
                break
            if self._pods_max == 0:
                return
            # It never began, so it may run elsewhere.
            ref = None
        await self._workshop.records.fail(execution_id, ExecutionStatus.ERROR, failure)

    async def _pod(self, execution: PendingExecution, carried: Carried, ref: PodRef | None) -> Pod:
        def give_again(_: list[str]) -> None:
            carried.is_given = False
            self._workshop.tasks.start(self._hand_over(pod, execution, carried), f"give {execution.id} again")

        if ref is not None:
            pod = self._workshop.attend(ref, give_again)
        else:
            spec = await until_done(
                lambda: self._workshop.execution_pod(execution), f"a pod for execution {execution.id}"
            )
            pod = await self._workshop.start_pod(spec, give_again)
        return pod

    async def _hand_over(self, pod: Pod, execution: PendingExecution, carried: Carried) -> None:
        """Until the pod has the execution, is gone, or is being ended."""
        carried.is_given = False
        while not carried.is_given:
            await first_of(pod.welcomed, pod.gone)
            if pod.gone.is_set():
                return
            if execution.id not in pod.in_flight:
                # Deleted while the pod was started, or begun by the pod and forgotten: neither may run now.
                what = f"the status of execution {execution.id}"
                row = await until_done(lambda: self._workshop.store.get_status(execution.id), what)
                if carried.is_unwanted or row is None or execution.status is ExecutionStatus.RUNNING:
                    await self._workshop.runtime.stop(pod.ref, 0)
                    return
                try:
                    await self._give(pod, execution)
                except PodError:
                    continue  # the connection was lost just now
            carried.is_given = True

    async def _give(self, pod: Pod, execution: PendingExecution) -> None:
        patience = Patience()
        while True:
            try:
                await self._workshop.give(pod, execution, await self._timeout_s(execution))
                break
            except Exception as error:
                if not is_passing(error):
                    raise
                if patience.is_over:
                    await self._workshop.give_up(execution.id, error)
                    break
                delay_s = patience.delay_s()
                logger.warning("execution %s: given again in %g s", execution.id, delay_s, exc_info=error)
            await first_of(pod.gone, timeout_s=delay_s)
        if execution.id not in pod.in_flight:
            pod.stop(0)  # its inputs could not be had: the pod has nothing to wait for

    async def _timeout_s(self, execution: PendingExecution) -> int | None:
        if execution.deployment_id is None:
            return None
        deployment = await self._workshop.store.get_deployment_by_id(execution.deployment_id)
        return None if deployment is None else deployment.execution_timeout_s
