"""The elastic lane: each execution in a new pod, as many at once as the machine may hold."""

from __future__ import annotations

import asyncio
import logging
from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from pipeyard.domain.executions import ExecutionStatus, Failure, PendingExecution
from pipeyard.domain.pods import PodRef
from pipeyard.engine.admission import Ticket
from pipeyard.engine.patience import Patience, is_passing, until_done
from pipeyard.engine.pods import Pod
from pipeyard.engine.waits import first_of
from pipeyard.engine.workshop import Workshop
from pipeyard.errors import PodError
from pipeyard.pod.protocol import FailureKind, attempt_key

logger = logging.getLogger(__name__)

STARTS_MAX = 3  # pods tried for one execution, as long as none has begun to run it


@dataclass(eq=False)
class Carried:
    """An execution on its way: waiting for a place on the machine, and then in its pod."""

    execution_id: str
    number: int  # its turn: what is tried again comes before what was accepted later
    ref: PodRef | None = None  # of the pod that an earlier server started
    deployment_id: str | None = None
    pipeline_id: str | None = None
    pod: Pod | None = None
    missing: asyncio.Event = field(default_factory=asyncio.Event)  # a lost connection swallowed it
    attempt: int = 1
    is_running: bool = False  # the store says so
    is_again: bool = False  # another attempt waits for the end of this one's pod
    is_unwanted: bool = False  # its row is gone
    patience: Patience | None = None  # since it could not be carried on for the first time

    @property
    def has_begun(self) -> bool:
        """In the pod that it was in: then it never runs in another."""
        key = attempt_key(self.execution_id, self.attempt)
        return self.pod is not None and (self.is_running or key in self.pod.started)


class _NoRoomError(Exception):
    """The machine does not have what the pod claims, now."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__()
        self.ticket = ticket


class ElasticLane:
    """First come, first served, over all elastic deployments and runs."""

    def __init__(self, workshop: Workshop, pods_max: int) -> None:
        self._workshop = workshop
        self._pods_max = pods_max
        self._numbers = count()
        self._waiting: deque[Carried] = deque()
        self._carried: dict[str, Carried] = {}
        self._parked: dict[str, Carried] = {}  # wait for memory, not for one of the places

    def submit(self, execution_id: str) -> None:
        """Queue an execution that is Pending in the store."""
        before = self._carried.get(execution_id)
        if before is not None:
            before.is_again = True
            return
        self._waiting.append(Carried(execution_id, next(self._numbers)))
        self._fill()

    def adopt(self, execution_id: str, ref: PodRef) -> None:
        """Go on with an execution whose pod was started by an earlier server."""
        self._start(Carried(execution_id, next(self._numbers), ref))

    def cancel(self, execution_id: str) -> None:
        """Its end is stored: take it out of the line, or end its pod in good order."""
        carried = self._carried.get(execution_id)
        if carried is None:
            self._waiting = deque(one for one in self._waiting if one.execution_id != execution_id)
            if execution_id in self._parked:
                self._workshop.admission.leave(execution_id)
        elif carried.pod is not None:
            carried.pod.cancel(execution_id)
        # Else its pod is being started: before anything is given to it, the store is asked.

    def has(self, execution_id: str) -> bool:
        """Whether a pod has it."""
        carried = self._carried.get(execution_id)
        return carried is not None and carried.pod is not None and execution_id in carried.pod.in_flight

    async def wind_up(self, execution_id: str, ref: PodRef) -> None:
        """End the pod, of an earlier server, of an execution that has ended; what it printed until then is kept."""
        pod = self._workshop.attend(ref, lambda _: None)
        pod.cancel(execution_id)
        await pod.gone.wait()
        self._workshop.admission.leave(execution_id)

    async def stop(self, concerns: Callable[[Carried], bool]) -> None:
        """End the pods of executions whose rows are gone."""
        for carried in list(self._carried.values()):
            if concerns(carried):
                carried.is_unwanted = True
                await self._stop_pod(carried)
        for carried in list(self._parked.values()):
            if concerns(carried):
                self._workshop.admission.leave(carried.execution_id)

    @property
    def waiting(self) -> int:
        """Executions that have no pod yet."""
        return len(self._waiting) + len(self._parked)

    def knows(self, execution_id: str) -> bool:
        """Whether it is on its way."""
        known = execution_id in self._carried or execution_id in self._parked
        return known or any(one.execution_id == execution_id for one in self._waiting)

    def pending_reason(self, execution_id: str) -> str:
        """Why an execution is Pending."""
        if execution_id in self._carried:
            return "its pod is starting"
        return self._workshop.admission.reason(execution_id) or (
            f"waits for a place: {len(self._carried)} elastic executions run, at most {self._pods_max} do at a time "
            "(elastic_max_pods is the setting)"
        )

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
            self._start(self._waiting.popleft())

    def _start(self, carried: Carried) -> None:
        self._carried[carried.execution_id] = carried
        self._workshop.tasks.start(self._carry(carried), f"execution {carried.execution_id}")

    async def _carry(self, carried: Carried) -> None:
        try:
            await self._run(carried)
        except _NoRoomError as full:
            self._parked[carried.execution_id] = carried
            self._workshop.tasks.start(self._wait_for_room(carried, full.ticket), f"execution {carried.execution_id}")
        except Exception as error:
            await until_done(lambda: self._stop_pod(carried), f"the pod of execution {carried.execution_id}")
            await self._put_off(carried, error)
        finally:
            del self._carried[carried.execution_id]
            if carried.execution_id not in self._parked:
                self._workshop.admission.leave(carried.execution_id)
            self._workshop.notify(carried.execution_id)
            if carried.is_again:
                self.submit(carried.execution_id)
            self._fill()

    async def _wait_for_room(self, carried: Carried, ticket: Ticket) -> None:
        """Without a place among the running ones, which others can use meanwhile."""
        await ticket.given.wait()
        del self._parked[carried.execution_id]
        self._wait_again(carried)

    async def _stop_pod(self, carried: Carried) -> None:
        if carried.pod is not None:
            await self._workshop.runtime.stop(carried.pod.ref, 0)

    async def _put_off(self, carried: Carried, error: Exception) -> None:
        """Try an execution again later, without a place on the machine; or end it, if that may not be."""
        patience = carried.patience = carried.patience or Patience()
        if carried.pod is not None:
            await carried.pod.gone.wait()  # it knows then what it had begun
        if is_passing(error) and not carried.has_begun:
            if patience.is_over:
                await self._workshop.give_up(carried.execution_id, error)
                return
            delay_s = patience.delay_s()
            logger.warning("execution %s: tried again in %g s", carried.execution_id, delay_s, exc_info=error)
            self._workshop.tasks.start(self._try_later(carried, delay_s), f"execution {carried.execution_id}, later")
            return
        logger.error("execution %s cannot be carried on", carried.execution_id, exc_info=error)
        failure = Failure(FailureKind.PLATFORM, "the platform failed to run it", "The server's log has the details.")
        if carried.pod is not None and carried.has_begun:
            failure = carried.pod.lost_failure()
        await self._workshop.records.fail(carried.execution_id, ExecutionStatus.ERROR, failure, carried.attempt)

    async def _try_later(self, carried: Carried, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._wait_again(carried)

    def _wait_again(self, carried: Carried) -> None:
        insort(self._waiting, carried, key=lambda one: one.number)
        self._fill()

    async def _run(self, carried: Carried) -> None:
        """Raises what is passing, while the database or the data store is away."""
        execution_id = carried.execution_id
        failure = Failure(FailureKind.PLATFORM, f"{STARTS_MAX} pods ended before they began to run the execution")
        for _ in range(STARTS_MAX):
            execution = await self._workshop.store.get_pending(execution_id)
            if execution is None or execution.status.is_final:
                self._workshop.records.ended(execution_id, None)
                return
            carried.deployment_id, carried.pipeline_id = execution.deployment_id, execution.pipeline_id
            carried.is_running = execution.status is ExecutionStatus.RUNNING
            carried.attempt = execution.attempt
            try:
                pod = carried.pod = await self._pod(execution, carried)
            except PodError as error:
                failure = Failure(FailureKind.PLATFORM, error.message, "The server's log has the details.")
                continue
            if await self._serve(pod, execution, carried) and execution_id not in pod.in_flight:
                return
            if carried.has_begun:
                failure = pod.lost_failure()
                break
            if self._pods_max == 0:
                return
            # It never began, so it may run elsewhere.
        await self._workshop.records.fail(execution_id, ExecutionStatus.ERROR, failure, carried.attempt)

    async def _pod(self, execution: PendingExecution, carried: Carried) -> Pod:
        ref, carried.ref = carried.ref, None
        if ref is not None:
            return self._workshop.attend(ref, lambda _: carried.missing.set())
        if carried.patience is not None:
            await self._workshop.check_inputs(execution)  # a pod costs more than a question
        spec = await self._workshop.execution_pod(execution)
        ticket = self._workshop.admission.ask(execution.id, spec.claim)
        if not ticket.given.is_set():
            raise _NoRoomError(ticket)
        return await self._workshop.start_pod(spec, lambda _: carried.missing.set())

    async def _serve(self, pod: Pod, execution: PendingExecution, carried: Carried) -> bool:
        """Until the pod is gone. Whether it had the execution, or there was nothing for it to have."""
        is_given = False
        while not pod.gone.is_set():
            carried.missing.clear()
            is_given = await self._hand_over(pod, execution, carried)
            await first_of(carried.missing, pod.gone)
        return is_given and not carried.missing.is_set()

    async def _hand_over(self, pod: Pod, execution: PendingExecution, carried: Carried) -> bool:
        """Whether the pod has the execution now, or it is ended. If not, the pod is gone or is being ended."""
        while True:
            await first_of(pod.welcomed, pod.gone)
            if pod.gone.is_set():
                return False
            if execution.id in pod.in_flight:
                return True
            # Deleted or cancelled while the pod was started, or begun by the pod and forgotten: none may run now.
            row = await self._workshop.store.get_status(execution.id)
            if carried.is_unwanted or row is None or row.is_final or carried.is_running:
                await self._workshop.runtime.stop(pod.ref, 0)
                return False
            try:
                if not await self._workshop.give(pod, execution, *await self._timeouts(execution)):
                    await self._workshop.runtime.stop(pod.ref, 0)  # it has nothing to wait for
                return True
            except PodError:
                continue  # the connection was lost just now

    async def _timeouts(self, execution: PendingExecution) -> tuple[int | None, int | None]:
        """Of the run, of the start."""
        if execution.deployment_id is None:
            return None, None
        deployment = await self._workshop.store.get_deployment_by_id(execution.deployment_id)
        return (None, None) if deployment is None else (deployment.execution_timeout_s, deployment.start_timeout_s)
