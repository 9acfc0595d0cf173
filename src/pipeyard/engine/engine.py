"""The engine as the services see it, and its life: adopt, run, let go."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from pipeyard import clock
from pipeyard.domain.deployments import Deployment, DeploymentStatus
from pipeyard.domain.executions import ExecutionStatus, Failure, Outcome, PendingExecution
from pipeyard.domain.loads import Load
from pipeyard.domain.modes import Mode
from pipeyard.domain.pipelines import Pipeline
from pipeyard.engine.builder import Builder
from pipeyard.engine.elastic import ElasticLane
from pipeyard.engine.left_pods import LeftPods
from pipeyard.engine.low_latency import LowLatencyLane
from pipeyard.engine.patience import until_done
from pipeyard.engine.places import Places
from pipeyard.engine.queue_clock import QueueClock
from pipeyard.engine.workshop import Workshop
from pipeyard.pod.protocol import FailureKind, attempt_key
from pipeyard.services.disk_watch import DiskWatch
from pipeyard.settings import Settings

FAREWELL_S = 2.0  # for the last events of pods that had to be ended


class RunningEngine:
    """See `ports.Engine`."""

    def __init__(
        self, workshop: Workshop, settings: Settings, places: Places, queue_clock: QueueClock, disk: DiskWatch
    ) -> None:
        self._workshop = workshop
        self._queue_clock = queue_clock
        self._disk = disk
        self._settings = settings
        self._places = places
        self._elastic = ElasticLane(workshop, settings.elastic_max_pods)
        self._lanes: dict[str, LowLatencyLane] = {}
        self._builder = Builder(workshop, settings.builds_max)
        self._cancelled: set[str] = set()  # between the commit that accepted them and `dispatch`

    # --- what the services ask ---

    def admit(self, deployment_id: str | None) -> None:
        """See `ports.Engine`."""
        self.check_room(deployment_id)
        self._places.take(deployment_id)

    def check_room(self, deployment_id: str | None) -> None:
        """See `ports.Engine`."""
        lane = self._lanes.get(deployment_id or "")
        if lane is not None:
            lane.check_up()
        self._disk.check()
        self._places.check(deployment_id)

    def withdraw(self, deployment_id: str | None) -> None:
        """See `ports.Engine`."""
        self._places.give_back(deployment_id)

    def dispatch(self, execution: PendingExecution) -> None:
        """See `ports.Engine`."""
        if execution.id in self._cancelled:
            self._cancelled.remove(execution.id)
            self._places.give_back(execution.deployment_id)
            return
        self._places.occupy(execution.id, execution.deployment_id)
        self._workshop.records.retrying.watch(execution)
        self._submit(execution)

    def _submit(self, execution: PendingExecution) -> None:
        self._queue_clock.watch(execution, self._expire)
        lane = self._lanes.get(execution.deployment_id or "")
        if lane is None:
            self._elastic.submit(execution.id)
        else:
            lane.submit(execution)

    def can_stop(self, execution_id: str, deployment_id: str | None) -> bool:
        """See `ports.Engine`."""
        lane = self._lanes.get(deployment_id or "")
        return lane is None or lane.can_stop(execution_id)

    def cancel(self, execution_id: str, deployment_id: str | None, outcome: Outcome) -> None:
        """See `ports.Engine`."""
        if not self._places.has(execution_id):
            self._cancelled.add(execution_id)
        self._workshop.records.ended(execution_id, outcome)
        self._lane(deployment_id).cancel(execution_id)

    def _expire(self, execution: PendingExecution) -> None:
        self._workshop.tasks.start(self._end_waiting(execution), f"execution {execution.id}, expired")

    async def _end_waiting(self, execution: PendingExecution) -> None:
        failure = Failure(
            FailureKind.TIMED_OUT,
            f"it has waited longer than its queue_timeout_s of {execution.queue_timeout_s} s, and never runs",
            "Raise queue_timeout_s, allow more executions at the same time, or send fewer.",
        )
        outcome = Outcome(ExecutionStatus.ERROR, clock.now(), failure=failure, attempt=execution.attempt)
        store, server_id = self._workshop.store, self._workshop.records.server_id
        what = f"the end of execution {execution.id}"
        if await until_done(lambda: store.finish_waiting(execution.id, server_id, outcome), what):
            self.cancel(execution.id, execution.deployment_id, outcome)

    def is_in_pod(self, execution_id: str, deployment_id: str | None) -> bool:
        """See `ports.Engine`."""
        return self._lane(deployment_id).has(execution_id)

    def _lane(self, deployment_id: str | None) -> ElasticLane | LowLatencyLane:
        return self._lanes.get(deployment_id or "", self._elastic)

    def build(self, pipeline: Pipeline) -> None:
        """See `ports.Engine`."""
        self._builder.build(pipeline)

    def start_deployment(self, deployment: Deployment) -> None:
        """See `ports.Engine`."""
        if deployment.mode is not Mode.LOW_LATENCY:
            return
        lane = self._lanes.get(deployment.id)
        if lane is None:
            self._add_lane(deployment).start()
        else:
            lane.reopen(deployment)

    def list_pods(self, deployment_id: str) -> Sequence[tuple[str, str]]:
        """See `ports.Engine`."""
        lane = self._lanes.get(deployment_id)
        return [] if lane is None else lane.list_pods()

    def pending_reason(self, execution_id: str, deployment_id: str | None) -> str:
        """See `ports.Engine`."""
        lane = self._lanes.get(deployment_id or "")
        return self._elastic.pending_reason(execution_id) if lane is None else lane.pending_reason()

    def lack(self, deployment_id: str) -> str | None:
        """See `ports.Engine`."""
        return self._workshop.admission.reason(deployment_id)

    def load(self) -> Load:
        """See `ports.Engine`."""
        lanes, elastic_pods = self._lanes.values(), self._elastic.list_pods()
        pods = [(Mode.ELASTIC, status) for _, status in elastic_pods]
        pods += [(Mode.LOW_LATENCY, status) for lane in lanes for _, status in lane.list_pods()]
        return Load(
            waiting={Mode.ELASTIC: self._elastic.waiting, Mode.LOW_LATENCY: sum(lane.waiting for lane in lanes)},
            in_pods={Mode.ELASTIC: len(elastic_pods), Mode.LOW_LATENCY: sum(lane.in_pod for lane in lanes)},
            pods=Counter(pods),
            builds=self._builder.count,
        )

    async def stop_deployment(self, deployment_id: str, *, drain: bool) -> None:
        """See `ports.Engine`."""
        lane = self._lanes.get(deployment_id)
        if lane is not None:
            await lane.stop(drain=drain)
        elif not drain:
            await self._elastic.stop(lambda carried: carried.deployment_id == deployment_id)
        if not drain:
            self._lanes.pop(deployment_id, None)
            self._places.forget(deployment_id)

    async def stop_runs(self, pipeline_id: str) -> None:
        """See `ports.Engine`."""
        self._builder.cancel(pipeline_id)
        await self._elastic.stop(lambda carried: carried.pipeline_id == pipeline_id)

    # --- its life ---

    async def start(self) -> None:
        """Adopt what an earlier server left: executions, pods, builds."""
        workshop = self._workshop
        workshop.tasks.start(self._disk.run(), "disk watch")
        await workshop.store.adopt_executions(workshop.records.server_id)
        workshop.records.retrying.submit = self._submit
        open_ones = [one for one in await workshop.store.list_open_executions() if self._take_over(one)]
        refs = list(await workshop.runtime.list())
        for ref in refs:  # all, before anything asks for what they have
            workshop.admission.adopt(ref.owner_id, ref.claim, ref.gpus)
        left = LeftPods(workshop.runtime, refs)
        for deployment in await workshop.store.list_deployments(None, mode=Mode.LOW_LATENCY):
            await self._adopt_lane(deployment, [one for one in open_ones if one.deployment_id == deployment.id], left)
        for execution in open_ones:
            if (execution.deployment_id or "") not in self._lanes:
                await self._adopt_elastic(execution, left)
        await self._wind_up(left)
        for ref in await left.remove():
            lane = self._lanes.get(ref.owner_id)
            if not (self._elastic.knows(ref.owner_id) if lane is None else lane.is_kept_up):
                workshop.admission.leave(ref.owner_id)
        for pipeline in await workshop.store.list_unbuilt_pipelines():
            self._builder.build(pipeline)

    def _take_over(self, execution: PendingExecution) -> bool:
        """Remember an open execution of an earlier server. Whether its turn has come: not before its next attempt's."""
        self._places.adopt(execution.id, execution.deployment_id)
        self._expect(execution)
        retrying = self._workshop.records.retrying
        if execution.retry_at is not None and execution.retry_at > clock.now():
            retrying.wait(execution)
            return False
        retrying.watch(execution)
        self._queue_clock.watch(execution, self._expire)
        return True

    def _expect(self, execution: PendingExecution) -> None:
        """A tick that an earlier server left starts late, and that is measured too. What is older was asked for."""
        due_at, catch_up = execution.due_at, timedelta(seconds=self._settings.schedule_catch_up_s)
        if execution.status is ExecutionStatus.PENDING and due_at is not None and due_at > clock.now() - catch_up:
            self._workshop.records.fire_times.expect(execution.id, due_at)

    async def _adopt_lane(self, deployment: Deployment, open_ones: list[PendingExecution], left: LeftPods) -> None:
        # Each has its lane, one that does not run too: it says why nothing can be triggered, and may be enabled.
        lane = self._add_lane(deployment)
        is_wanted = deployment.is_enabled and deployment.status is not DeploymentStatus.CREATION_FAILED
        if not (is_wanted or open_ones):
            return
        ref = await left.take_living(deployment.id)
        begun = await left.begun(deployment.id)
        for execution in open_ones:
            has_begun = attempt_key(execution.id, execution.attempt) in begun
            if has_begun or (ref is None and execution.status is ExecutionStatus.RUNNING):
                await self._lose(execution)
            else:
                lane.adopt(execution)
        lane.start(ref)
        if not deployment.is_enabled:
            await lane.stop(drain=True)

    async def _adopt_elastic(self, execution: PendingExecution, left: LeftPods) -> None:
        ref = await left.take_living(execution.id)
        if ref is not None:
            self._elastic.adopt(execution.id, ref)
        elif execution.status is ExecutionStatus.RUNNING or (
            attempt_key(execution.id, execution.attempt) in await left.begun(execution.id)
        ):
            await self._lose(execution)
        else:
            self._elastic.submit(execution.id)

    async def _wind_up(self, left: LeftPods) -> None:
        """The pods of executions that have ended, because they were cancelled or a moment before the server did."""
        for execution_id in left.of_executions():
            if await self._workshop.store.get_status(execution_id) is None:
                continue
            ref = await left.take_living(execution_id)
            if ref is not None:
                self._workshop.tasks.start(self._elastic.wind_up(execution_id, ref), f"execution {execution_id}")

    def _add_lane(self, deployment: Deployment) -> LowLatencyLane:
        lane = self._lanes[deployment.id] = LowLatencyLane(self._workshop, deployment, self._settings.stop_grace_s)
        return lane

    async def _lose(self, execution: PendingExecution) -> None:
        failure = Failure(
            FailureKind.LOST,
            "the pod that ran the execution ended while no server was there to see it",
            "Trigger it again.",
        )
        await self._workshop.records.fail(execution.id, ExecutionStatus.ERROR, failure, execution.attempt)

    async def let_go(self) -> None:
        """Stop taking part; pods and their executions go on, for the next server."""
        self._queue_clock.close()
        self._workshop.records.retrying.close()
        self._elastic.let_go()
        for lane in self._lanes.values():
            lane.let_go()
        await self._workshop.tasks.cancel_all()

    async def end_pods(self) -> None:
        """Before `let_go`: end every pod in good order. What had begun ends with its reason, Pending ones stay."""
        pods = [*self._elastic.close(), *(pod for lane in self._lanes.values() for pod in lane.close())]
        grace_s = self._settings.stop_grace_s
        for pod in pods:
            pod.stop(grace_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s + FAREWELL_S):
                await asyncio.gather(*(pod.gone.wait() for pod in pods))
        runtime = self._workshop.runtime
        await asyncio.gather(*(runtime.stop(ref, 0) for ref in await runtime.list()))
