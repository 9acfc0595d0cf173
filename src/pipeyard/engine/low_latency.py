"""The lane of one low latency deployment: a warm pod that is kept up, and what waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from functools import partial

from pipeyard import clock
from pipeyard.domain.deployments import Deployment, DeploymentStatus
from pipeyard.domain.executions import ExecutionStatus, Failure, PendingExecution
from pipeyard.domain.log_lines import LogBatch, LogLine, Subject
from pipeyard.domain.pods import PodFailure, PodRef, PodSpec
from pipeyard.engine.patience import Patience, is_passing, until_done
from pipeyard.engine.pods import Pod
from pipeyard.engine.waits import first_of
from pipeyard.engine.workshop import Workshop
from pipeyard.errors import ConflictError, PodError
from pipeyard.pod.protocol import FailureKind, attempt_key

logger = logging.getLogger(__name__)

# Sent to the pod ahead of what it can run at once: it never idles while the server fetches the next one, and its
# memory stays bounded. The rest waits in the store.
SENT_AHEAD = 32
KEPT_VALUES_MAX_BYTES = 64 * 1024  # larger values are read back from the store when their turn comes
LONGEST_RETRY_S = 60.0
STEADY_S = 60.0  # a pod that was up this long starts the delays anew


class LowLatencyLane:
    """Keeps the deployment's pod up and feeds it in order."""

    def __init__(self, workshop: Workshop, deployment: Deployment, stop_grace_s: float) -> None:
        self._workshop = workshop
        self._deployment = deployment
        self._stop_grace_s = stop_grace_s
        self._waiting: deque[str] = deque()
        self._kept: dict[str, PendingExecution] = {}
        self._aside: dict[str, None] = {}  # could not be given; tried again together, in order, while others go on
        self._patience: dict[str, Patience] = {}  # with each that could not be given
        self._running: list[str] = []  # adopted; the pod must know them
        self._attempts: dict[str, int] = {}  # of what was adopted
        self._dropped = asyncio.Event()
        self._work = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()  # not started yet
        self._pod: Pod | None = None
        self.status = deployment.status

    def start(self, ref: PodRef | None = None) -> None:
        """Keep the pod up from now on, beginning with one of an earlier server if it still runs."""
        self._ended.clear()
        self._workshop.tasks.start(self._keep_up(ref), f"deployment {self._deployment.name}")

    def reopen(self, deployment: Deployment) -> None:
        """It is enabled again, maybe while its pod still ends what was accepted before."""
        self._deployment = deployment
        self._stopping.clear()
        self._work.set()
        self.status = deployment.status
        if self._ended.is_set():
            self.start()
        elif self._pod is not None and self._pod.ready.is_set() and not self._pod.told_to_stop:
            self._workshop.tasks.start(self._set_status(DeploymentStatus.UP), f"reopen {deployment.name}")

    def check_up(self) -> None:
        """Raises ConflictError when an execution would wait for ever."""
        if self.status is DeploymentStatus.CREATION_FAILED:
            name = self._deployment.name
            raise ConflictError(
                f'deployment "{name}" could not be created; see its logs, then delete and create it again'
            )

    def submit(self, execution: PendingExecution) -> None:
        """Queue an execution that is Pending in the store."""
        if len(execution.input_values_json) <= KEPT_VALUES_MAX_BYTES and execution.input_values_json:
            self._kept[execution.id] = execution
        self._waiting.append(execution.id)
        self._work.set()
        if self.status is DeploymentStatus.CREATION_FAILED:
            self._workshop.tasks.start(self._fail_waiting(), f"fail {execution.id}")
        elif self._ended.is_set():  # accepted while the deployment was being disabled: it still runs
            self.start()

    def adopt(self, execution: PendingExecution) -> None:
        """Before `start`: an open execution that an earlier server accepted."""
        self._attempts[execution.id] = execution.attempt
        if execution.status is ExecutionStatus.RUNNING:
            self._running.append(execution.id)
        else:
            self._waiting.append(execution.id)

    def cancel(self, execution_id: str) -> None:
        """Its end is stored: take it out of the line, or end it in the pod."""
        self._kept.pop(execution_id, None)
        self._aside.pop(execution_id, None)
        if execution_id in self._waiting:
            self._waiting.remove(execution_id)
            self._work.set()
        elif execution_id in self._running:  # the pod of an earlier server is compared with the store in a moment
            self._running.remove(execution_id)
        elif self._pod is not None:
            self._pod.cancel(execution_id)

    def has(self, execution_id: str) -> bool:
        """Whether the pod has it."""
        return self._pod is not None and execution_id in self._pod.in_flight

    def can_stop(self, execution_id: str) -> bool:
        """Whether it can be ended at once, wherever it is."""
        return not (self._pod is not None and self._pod.in_threads and self._pod.has_begun(execution_id))

    def list_pods(self) -> list[tuple[str, str]]:
        """Id and status."""
        if self._pod is None or self._pod.gone.is_set():
            return []
        if self._stopping.is_set():
            return [(self._pod.pod_id, "stopping")]
        return [(self._pod.pod_id, "up" if self._pod.ready.is_set() else "starting")]

    @property
    def is_kept_up(self) -> bool:
        """It has a pod, or gets one."""
        return not self._ended.is_set()

    def pending_reason(self) -> str:
        """Why an execution of it is Pending."""
        lack = self._workshop.admission.reason(self._deployment.id)
        if lack is not None:
            return f"its pod {lack}"
        if self._pod is not None and self._pod.ready.is_set() and not self._pod.gone.is_set():
            return f"waits for its turn in the pod, which has {self.in_pod} executions"
        return "waits for the pod of its deployment, which is starting"

    @property
    def waiting(self) -> int:
        """Executions that are not in the pod yet."""
        return len(self._waiting)

    @property
    def in_pod(self) -> int:
        """Executions that the pod has."""
        return 0 if self._pod is None else len(self._pod.in_flight)

    async def stop(self, *, drain: bool) -> None:
        """End the pod: in the background after what is open (`drain`), or at once."""
        self._stopping.set()
        self._work.set()
        if not drain:
            self._dropped.set()
            self._waiting.clear()
            self._kept.clear()
            self._aside.clear()
            if self._pod is not None:
                await self._workshop.runtime.stop(self._pod.ref, 0)
            await self._ended.wait()

    def close(self) -> list[Pod]:
        """Keep nothing up any more; the pods there are. What has not begun stays Pending, for the next server."""
        self._stopping.set()
        self._dropped.set()
        self._waiting.clear()
        self._aside.clear()
        return [] if self._pod is None or self._pod.gone.is_set() else [self._pod]

    def let_go(self) -> None:
        """Leave the pod to the next server."""
        if self._pod is not None:
            self._pod.let_go()

    @property
    def _is_over(self) -> bool:
        """It is to stop, and nothing waits that was accepted before."""
        return self._stopping.is_set() and not (self._waiting or self._aside)

    async def _keep_up(self, ref: PodRef | None) -> None:
        try:
            early_ends = 0
            while not self._is_over:
                was_adopted = ref is not None
                was_up_s = await self._one_pod(ref)
                ref = None
                if was_adopted and was_up_s == 0:
                    continue  # what an earlier server left was dying: that says nothing about this deployment
                if self._is_over:
                    return
                if self._pod is not None and self._pod.told_to_stop:
                    continue  # it had drained, and was enabled again meanwhile
                if self._pod is not None and self._pod.ended_for_cancelled:
                    continue
                if was_up_s == 0 and self.status is DeploymentStatus.CREATION_PENDING:
                    await self._give_up()
                    return
                early_ends = 0 if was_up_s >= STEADY_S else early_ends + 1
                await self._wait_to_retry(_retry_delay_s(early_ends))
        finally:
            self._workshop.admission.leave(self._deployment.id)
            self._ended.set()

    async def _wait_to_retry(self, delay_s: float) -> None:
        await self._set_status(DeploymentStatus.DOWN_RETRYING)
        await self._note(f"the pod is started again {f'in {delay_s:g} s' if delay_s else 'now'}")
        # One that is disabled still owes what was accepted before, at the same pace.
        await first_of(self._dropped if self._waiting or self._aside else self._stopping, timeout_s=delay_s)

    async def _one_pod(self, ref: PodRef | None) -> float:
        """The life of one pod, from its start to its end. For how many seconds it was up."""
        up_since = clock.monotonic_s()
        pod = None
        try:
            if ref is None and self.status is DeploymentStatus.UP:
                await self._set_status(DeploymentStatus.DOWN_RETRYING)
            pod = self._pod = await self._get_pod(ref)
            await self._wait_until_ready(pod)
            up_since = clock.monotonic_s()
            if pod.ready.is_set():
                await self._set_status(DeploymentStatus.UP)
                await self._note(f"pod {pod.pod_id} is up")
                await self._feed(pod)
        except PodError as error:
            if not self._stopping.is_set():
                await self._failed(Failure(FailureKind.PLATFORM, f"the pod could not be started: {error.message}"))
        except Exception:
            logger.exception("the pod of deployment %s cannot be attended to", self._deployment.name)
        if pod is None:
            return 0.0
        if not pod.gone.is_set():
            await self._workshop.runtime.stop(pod.ref, 0)
        await pod.gone.wait()
        await self._settle(pod)
        return clock.monotonic_s() - up_since if pod.ready.is_set() else 0.0

    async def _wait_until_ready(self, pod: Pod) -> None:
        """Or until it is gone, or has taken too long. Whoever stops the deployment does not wait for an import."""
        timeout_s = self._deployment.start_timeout_s
        await first_of(pod.ready, pod.gone, self._stopping, timeout_s=timeout_s)
        is_late = not (pod.ready.is_set() or pod.gone.is_set() or self._stopping.is_set())
        if is_late:
            await self._note(
                f"the module was not imported within its start_timeout_s of {timeout_s} s; create the deployment again "
                "with a larger one, or import and load less"
            )
        if is_late or (self._is_over and not pod.ready.is_set()):
            await self._workshop.runtime.stop(pod.ref, 0)
        await first_of(pod.ready, pod.gone)

    async def _get_pod(self, ref: PodRef | None) -> Pod:
        if ref is not None:
            pod = self._workshop.attend(ref, self._put_back)
            await first_of(pod.welcomed, pod.gone)
        else:
            what = f"a pod for deployment {self._deployment.name}"
            spec = await self._admitted(await until_done(self._spec, what))
            pod = await self._workshop.start_pod(spec, self._put_back)
        pod.freed = self._work
        if ref is not None:
            await self._reconcile(pod)
        return pod

    async def _spec(self) -> PodSpec:
        if self._is_over:  # meanwhile: whoever stops the deployment does not wait for the database
            raise PodError("the deployment was stopped before")
        return await self._workshop.deployment_pod(self._deployment)

    async def _admitted(self, spec: PodSpec) -> PodSpec:
        """With its GPUs, once the machine has what it claims. Kept until the lane ends: the next pod needs it too."""
        admission, owner_id = self._workshop.admission, self._deployment.id
        ticket = admission.ask(owner_id, spec.claim)
        if not ticket.given.is_set():
            await self._note(f"the pod {admission.reason(owner_id)}")
        while not ticket.given.is_set():
            if self._is_over:
                raise PodError("the deployment was stopped before")
            await first_of(ticket.given, self._dropped if self._waiting or self._aside else self._stopping)
        return replace(spec, gpus=ticket.gpus)

    async def _reconcile(self, pod: Pod) -> None:
        """Compare what the store says of an adopted pod with what the pod says. Nothing is sent or ended twice."""
        attempts, self._attempts = self._attempts, {}
        there = {one for one, attempt in pod.in_flight.items() if attempts.get(one) == attempt}
        begun = {one for one, attempt in attempts.items() if attempt_key(one, attempt) in pod.started}
        known, running, waiting = set(pod.in_flight), self._running, list(self._waiting)
        lost = [one for one in running if one not in there]
        lost += [one for one in waiting if one not in there and one in begun]
        self._running = []
        self._waiting = deque(one for one in waiting if one not in there and one not in lost)
        for one in known.difference(running, waiting):
            status = await self._workshop.store.get_status(one)
            if status is None or status.is_final:  # its end was stored, maybe before the pod knew
                pod.cancel(one)
        for one in lost:
            await self._workshop.records.fail(one, ExecutionStatus.ERROR, pod.lost_failure(), attempts.get(one))

    async def _feed(self, pod: Pod) -> None:
        resources = self._deployment.resources
        at_once = resources.max_parallel_executions_per_pod if resources.enable_parallel_executions else 1
        while not pod.gone.is_set():
            self._work.clear()
            while self._waiting and len(pod.in_flight) < at_once + SENT_AHEAD and not pod.gone.is_set():
                await first_of(pod.welcomed, pod.gone)
                await self._give_next(pod)
            if self._is_over and not pod.in_flight:
                pod.stop(self._stop_grace_s)
                await pod.gone.wait()
            await first_of(self._work, pod.gone)

    async def _give_next(self, pod: Pod) -> None:
        execution_id = self._waiting.popleft()
        try:
            execution = self._kept.pop(execution_id, None) or await self._workshop.store.get_pending(execution_id)
            if execution is not None and not execution.status.is_final:
                await self._workshop.give(pod, execution, self._deployment.execution_timeout_s)
            self._patience.pop(execution_id, None)
        except PodError:
            self._put_back([execution_id])  # the connection was lost just now
        except Exception as error:
            if is_passing(error):
                await self._set_aside(execution_id, error)
                return
            logger.error("execution %s cannot be given", execution_id, exc_info=error)
            failure = Failure(
                FailureKind.PLATFORM, "the platform failed to run it", "The server's log has the details."
            )
            await self._workshop.records.fail(execution_id, ExecutionStatus.ERROR, failure)
        except BaseException:
            self._put_back([execution_id])
            raise

    async def _set_aside(self, execution_id: str, error: BaseException) -> None:
        if self._dropped.is_set() or execution_id in self._waiting:  # a connection that was lost put it back already
            return
        patience = self._patience.setdefault(execution_id, Patience())
        if patience.is_over:
            del self._patience[execution_id]
            await self._workshop.give_up(execution_id, error)
            return
        delay_s = patience.delay_s()
        logger.warning("execution %s could not be given: tried again soon", execution_id, exc_info=error)
        self._aside[execution_id] = None
        if len(self._aside) == 1:
            self._workshop.tasks.start(self._try_later(delay_s), f"deployment {self._deployment.name}, later")

    async def _try_later(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        aside = list(self._aside)
        self._aside.clear()
        self._put_back(aside)

    def _put_back(self, execution_ids: list[str]) -> None:
        if self._dropped.is_set():
            return
        self._waiting.extendleft(reversed(execution_ids))
        self._work.set()

    async def _settle(self, pod: Pod) -> None:
        """End what the pod had begun, keep what it had not."""
        begun = {one: attempt for one, attempt in pod.in_flight.items() if pod.has_begun(one)}
        self._put_back([one for one in pod.in_flight if one not in begun])
        if not self._stopping.is_set():
            await self._failed(pod.exit_failure or pod.lost_failure(), pod.pod_id)
        for execution_id, attempt in begun.items():
            await self._workshop.records.fail(execution_id, ExecutionStatus.ERROR, pod.lost_failure(), attempt)

    async def _failed(self, failure: Failure, pod_id: str | None = None) -> None:
        """Keep why a pod ended, or could not be started, for whoever looks at the deployment."""
        await self._note(failure.message if pod_id is None else f"pod {pod_id} ended: {failure.message}")
        kept = PodFailure(failure, clock.now(), pod_id)
        set_failure = partial(self._workshop.store.set_pod_failure, self._deployment.id, kept)
        await until_done(set_failure, f"the failure of a pod of deployment {self._deployment.name}")

    async def _give_up(self) -> None:
        """The first pod never came up: nothing will change by itself."""
        await self._set_status(DeploymentStatus.CREATION_FAILED)
        await self._fail_waiting()

    async def _fail_waiting(self) -> None:
        failure = Failure(
            FailureKind.PLATFORM,
            f'deployment "{self._deployment.name}" could not be created',
            "The deployment's logs have the reason.",
        )
        while self._waiting:
            await self._workshop.records.fail(self._waiting.popleft(), ExecutionStatus.ERROR, failure)

    async def _set_status(self, status: DeploymentStatus) -> None:
        if self._stopping.is_set():
            return  # disabled or deleted meanwhile: that status stands
        self.status = status
        await until_done(lambda: self._write_status(status), f"the status of deployment {self._deployment.name}")
        self._workshop.notify(self._deployment.id)

    async def _write_status(self, status: DeploymentStatus) -> None:
        if self.status is status and not self._stopping.is_set():  # no other came while the database was away
            await self._workshop.store.set_deployment_status(self._deployment.id, status)

    async def _note(self, message: str) -> None:
        """A line of the platform in the deployment's log, if it can be written: nothing depends on it."""
        line = LogLine(clock.now(), f"[pipeyard] {message}", "stderr")
        try:
            await self._workshop.records.logs.append(LogBatch(Subject.DEPLOYMENT, self._deployment.id, (line,)))
        except Exception:
            logger.exception("could not be logged for deployment %s: %s", self._deployment.name, message)


def _retry_delay_s(early_ends: int) -> float:
    """At once, then 1, 2, 4... s: one bad input costs little, a pod that cannot live costs little processor time."""
    return 0.0 if early_ends <= 1 else float(min(2 ** min(early_ends - 2, 6), LONGEST_RETRY_S))
