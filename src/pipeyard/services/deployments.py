"""Deployments: create, look at, wait for, update, delete, renew the token."""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from pipeyard import clock
from pipeyard.domain.claims import Supply
from pipeyard.domain.deployments import (
    SETTLED,
    Deployment,
    DeploymentRequest,
    DeploymentStatus,
    read_request,
)
from pipeyard.domain.log_lines import LAST_LINES, LogLine, LogRange, Subject
from pipeyard.domain.mapping_updates import update_inputs, update_outputs
from pipeyard.domain.mappings import map_inputs, map_outputs
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.names import check_endpoint_token, check_name, listed, shown
from pipeyard.domain.pipelines import Pipeline
from pipeyard.domain.retries import RETRY_FIELDS, read_retries
from pipeyard.domain.schedule_options import CLEARABLE, OPTION_FIELDS, SCHEDULE_FIELDS, read_options, read_schedule
from pipeyard.errors import ConflictError, InvalidInputError, NotFoundError
from pipeyard.ports import Engine
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.endpoint_paths import EndpointPaths
from pipeyard.services.followed_logs import FollowedLogs
from pipeyard.services.notices import Notices
from pipeyard.services.pipelines import PipelineService
from pipeyard.services.ticks import TickService
from pipeyard.store_ports import Store

logger = logging.getLogger(__name__)

UPDATABLE = ("is_enabled", "schedule", "inputs_mapping", "outputs_mapping", "retries")
PREVIEW_MAX = 100
FAR_AHEAD = timedelta(minutes=1)  # of a tick that was dealt with: more than the clocks of two servers differ
# Options go with what they are of, or without it.
_PROPERTIES = dict.fromkeys(OPTION_FIELDS, "schedule") | dict.fromkeys(RETRY_FIELDS, "retries")


@dataclass(frozen=True)
class DeploymentService:
    """What a user can ask of deployments."""

    store: Store
    logs: FollowedLogs
    engine: Engine
    notices: Notices
    cleaning: Cleaning
    pipelines: PipelineService
    paths: EndpointPaths
    supply: Supply
    ticks: TickService
    schedules_changed: Callable[[], None]  # after the commit of a schedule that is new, changed or enabled
    # A change reads, decides and writes: one at a time, or one of two would be undone.
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def create(self, environment_id: str, user_id: str, fields: Mapping[str, Any], rule: Rule) -> Deployment:
        """Check, store and start a deployment. Raises InvalidInputError, NotFoundError, ConflictError."""
        request = read_request(fields, rule)
        if await self.store.get_deployment(environment_id, request.name) is not None:
            raise ConflictError(f'a deployment named "{request.name}" exists already; choose another name or delete it')
        pipeline = await self.pipelines.get(environment_id, request.pipeline_name)
        self._check_fit(request, pipeline)
        created_at = clock.now()
        deployment = Deployment(
            id=uuid.uuid4().hex,
            environment_id=environment_id,
            name=request.name,
            pipeline_id=pipeline.id,
            pipeline_name=pipeline.name,
            rule=request.rule,
            mode=request.mode,
            description=request.description,
            inputs_mapping=map_inputs(pipeline.declaration.inputs, fields.get("inputs_mapping"), request.rule),
            outputs_mapping=map_outputs(pipeline.declaration.outputs, fields.get("outputs_mapping"), request.rule),
            resources=request.resources,
            execution_timeout_s=request.execution_timeout_s,
            queue_timeout_s=request.queue_timeout_s,
            start_timeout_s=request.start_timeout_s,
            retries=request.retries,
            endpoint_url_path=request.endpoint_url_path,
            endpoint_token=(request.endpoint_token or _new_endpoint_token()) if rule is Rule.ENDPOINT else None,
            is_enabled=True,
            status=_first_status(request.mode),
            created_at=created_at,
            created_by=user_id,
            updated_at=created_at,
            updated_by=user_id,
            schedule=request.schedule,
            schedule_options=request.schedule_options.without_past_pause(created_at),
            endpoint_id=uuid.uuid4().hex if rule is Rule.ENDPOINT else None,
        ).scheduled(created_at)
        await self.pipelines.get_ready(environment_id, pipeline.name)
        await self.store.add_deployment(deployment)
        self.engine.start_deployment(deployment)
        self.schedules_changed()
        return deployment

    def _check_fit(self, request: DeploymentRequest, pipeline: Pipeline) -> None:
        config = pipeline.declaration.container_config
        if request.mode is Mode.LOW_LATENCY and config.dockerfile_path is not None:
            raise InvalidInputError(
                "mode", "low_latency does not work with a pipeline created with dockerfile_path", "elastic"
            )
        self.supply.check_gpus("gpu_request", request.resources.gpu_request)
        self.supply.check_ram("ram_request", request.resources.ram_request_bytes)

    async def get(self, environment_id: str, name: str) -> Deployment:
        """Raises NotFoundError."""
        deployment = await self.store.get_deployment(environment_id, name)
        if deployment is None:
            raise NotFoundError("deployment", name)
        return deployment

    async def wait_until_settled(self, environment_id: str, name: str, hold_s: float) -> Deployment:
        """As `get`, once its status is one that waiting clients accept (wire.md 3.3) or the hold has passed."""
        deployment = await self.get(environment_id, name)

        async def settled() -> Deployment | None:
            seen = await self.get(environment_id, name)
            return seen if seen.status in SETTLED else None

        return await self.notices.wait_until(deployment.id, settled, hold_s) or await self.get(environment_id, name)

    async def list(self, environment_id: str) -> Sequence[Deployment]:
        """Oldest first."""
        return await self.store.list_deployments(environment_id)

    async def update(self, environment_id: str, user_id: str, name: str, fields: Mapping[str, Any]) -> Deployment:
        """Change one property: enable or disable, the schedule with its options, other values of mappings.

        Executions keep the mappings they were accepted with. Raises InvalidInputError, NotFoundError.
        """
        await self.get(environment_id, name)
        unknown = [key for key in fields if key not in (*UPDATABLE, *_PROPERTIES)]
        given = {_PROPERTIES.get(key, key) for key in fields if fields[key] is not None or key in CLEARABLE}
        if unknown or len(given) != 1:
            problem = f"unknown: {listed(unknown)}" if unknown else f"{len(given)} properties sent"
            allowed = (
                f"exactly one of {', '.join(UPDATABLE)}; with schedule, or instead, {', '.join(OPTION_FIELDS)}; with "
                f"retries, or instead, {', '.join(RETRY_FIELDS[1:])}"
            )
            raise InvalidInputError("update", problem, allowed)
        (property_name,) = given
        async with self._changing:
            deployment = await self.get(environment_id, name)
            if property_name == "schedule":
                return await self._reschedule(deployment, user_id, fields)
            if property_name == "retries":
                return await self._retry(deployment, user_id, fields)
            if property_name == "is_enabled":
                return await self._enable(deployment, user_id, fields[property_name])
            return await self._remap(deployment, user_id, property_name, fields[property_name])

    async def _enable(self, deployment: Deployment, user_id: str, enabled: object) -> Deployment:
        if not isinstance(enabled, bool):
            raise InvalidInputError("is_enabled", f"must be true or false, got {shown(enabled)}")
        if enabled == deployment.is_enabled:
            return deployment
        status = _first_status(deployment.mode) if enabled else DeploymentStatus.DISABLED
        wanted = replace(deployment, is_enabled=enabled, status=status)
        changed = await self._write(wanted, user_id, counts_from=await self._fire_due(deployment))
        if not enabled:
            # First: from here on the lane leaves the status alone.
            await self.engine.stop_deployment(changed.id, drain=True)
        await self.store.set_deployment_status(changed.id, status)
        if enabled:
            self.engine.start_deployment(changed)
        self.notices.notify(changed.id)
        self.schedules_changed()
        return changed

    async def _reschedule(self, deployment: Deployment, user_id: str, fields: Mapping[str, Any]) -> Deployment:
        """Another schedule, zone or pause counts from now; what else there is counts from the next tick on.

        A pause until a time that has passed is none.
        """
        if deployment.rule is not Rule.PERIODIC:
            given = next(key for key in SCHEDULE_FIELDS if key in fields)
            raise InvalidInputError(given, f'"{deployment.name}" is triggered by calls, it has no schedule')
        schedule = read_schedule(fields, deployment.schedule)
        before = deployment.schedule_options.without_past_pause(clock.now())
        options = read_options(fields, before).without_past_pause(clock.now())
        wanted = replace(deployment, schedule=schedule, schedule_options=options)
        if wanted == deployment:
            return deployment
        is_other = schedule != deployment.schedule or options.paused_until != before.paused_until
        changed = await self._write(wanted, user_id, await self._fire_due(deployment) if is_other else None)
        self.schedules_changed()
        return changed

    async def _retry(self, deployment: Deployment, user_id: str, fields: Mapping[str, Any]) -> Deployment:
        """For what is accepted from now on."""
        wanted = replace(deployment, retries=read_retries(fields, deployment.retries))
        return deployment if wanted == deployment else await self._write(wanted, user_id)

    async def _fire_due(self, deployment: Deployment) -> datetime:
        """Before its schedule changes: a tick that is due may still wait for its jitter. Until when none is left."""
        now = clock.now()
        if deployment.next_fire_at is not None and deployment.next_fire_at <= now:
            # What is stored is given to its lane, even if the caller is gone meanwhile.
            await asyncio.shield(asyncio.ensure_future(self.ticks.fire([deployment.hurried(now)], now)))
        return now

    async def next_fire_times(self, environment_id: str, name: str, count: int) -> Sequence[datetime]:
        """When the next ticks are due, in the time zone of the schedule; none while it is disabled.

        Of rare ones fewer than `count`: those of five years. Raises NotFoundError, InvalidInputError (it is called).
        """
        deployment = await self.get(environment_id, name)
        if deployment.schedule is None:
            raise InvalidInputError("deployment", f'"{name}" is triggered by calls, it has no schedule')
        # Rare times of far years take a while.
        return await asyncio.to_thread(lambda: list(islice(deployment.coming_fire_times(), count)))

    async def _remap(self, deployment: Deployment, user_id: str, property_name: str, value: object) -> Deployment:
        declaration = (await self.pipelines.get(deployment.environment_id, deployment.pipeline_name)).declaration
        if property_name == "inputs_mapping":
            inputs = update_inputs(declaration.inputs, deployment.inputs_mapping, value)
            wanted = replace(deployment, inputs_mapping=inputs)
        else:
            outputs = update_outputs(declaration.outputs, deployment.outputs_mapping, value)
            wanted = replace(deployment, outputs_mapping=outputs)
        if wanted.mappings_json == deployment.mappings_json:
            return deployment
        return await self._write(wanted, user_id)

    async def renew_token(self, environment_id: str, user_id: str, name: str, chosen: str | None) -> Deployment:
        """Give the endpoint another token; the old one dies at once. Raises InvalidInputError, NotFoundError."""
        token = _new_endpoint_token() if chosen is None else check_endpoint_token("endpoint_token", chosen)
        async with self._changing:
            deployment = await self.get(environment_id, name)
            if deployment.rule is not Rule.ENDPOINT:
                raise InvalidInputError("deployment", f'"{name}" is periodic, it has no endpoint token')
            return await self._write(replace(deployment, endpoint_token=token), user_id)

    async def _write(self, deployment: Deployment, user_id: str, counts_from: datetime | None = None) -> Deployment:
        """`counts_from`: since when its next tick may be due; None: that stays."""
        changed = replace(deployment, updated_at=clock.now(), updated_by=user_id)
        if counts_from is not None:
            changed = changed.scheduled(counts_from)
            if changed.last_tick_at is not None and changed.last_tick_at - counts_from > FAR_AHEAD:
                text = "deployment %s: the clock was ahead, at %s; ticks that were dealt with then are not run again"
                logger.warning(text, changed.name, clock.to_wire(changed.last_tick_at))
        written = await self.store.update_deployment(changed, reschedule=counts_from is not None)
        self.paths.clear()
        if not written:
            raise NotFoundError("deployment", changed.name)
        return changed

    async def exchange(self, environment_id: str, user_id: str, name: str, other: object) -> Deployment:
        """Two deployments trade name, endpoint path and token at once: no call finds neither. What has `name` now.

        Raises InvalidInputError, NotFoundError, ConflictError.
        """
        async with self._changing:
            one = await self.get(environment_id, name)
            two = await self.get(environment_id, check_name("with", other))
            if one.id == two.id:
                raise InvalidInputError("with", f'is "{name}" itself', "the name of another deployment")
            if one.rule is not two.rule:
                raise ConflictError(f'"{one.name}" is {one.rule.value}, "{two.name}" is {two.rule.value}')
            exchanged = await self.store.exchange_deployments(one.id, two.id, clock.now(), user_id)
            self.paths.clear()
            if not exchanged:
                raise NotFoundError("deployment", name)
            return await self.get(environment_id, name)

    async def delete(self, environment_id: str, name: str) -> Deployment:
        """The deployment, its executions, logs and pods. Raises NotFoundError."""
        async with self._changing:
            deployment = await self.get(environment_id, name)
            execution_ids = await self.store.delete_deployment(deployment.id)
            self.paths.clear()
            await self.engine.stop_deployment(deployment.id, drain=False)
        self.ticks.forget(deployment.id, execution_ids)
        await self.cleaning.forget(execution_ids, Subject.DEPLOYMENT, [deployment.id])
        for subject_id in (deployment.id, *execution_ids):
            self.notices.forget(subject_id)
        return deployment

    async def read_logs(self, environment_id: str, name: str, span: LogRange) -> Sequence[LogLine]:
        """What its pods printed outside of executions, and what the platform did with them."""
        deployment = await self.get(environment_id, name)
        return await self.logs.read(Subject.DEPLOYMENT, deployment.id, span)

    async def read_last_lines(self, deployment: Deployment) -> Sequence[LogLine]:
        """What the pod that failed last printed outside of executions; none if none did."""
        failed = deployment.last_pod_failure
        if failed is None or failed.pod_id is None:
            return ()
        return await self.logs.read_last(Subject.DEPLOYMENT, deployment.id, LAST_LINES, failed.pod_id)

    async def follow_logs(self, environment_id: str, name: str, *, live: bool) -> AsyncIterator[Sequence[LogLine]]:
        """Those lines as they come, until it is deleted (`live`), or those there are. Raises NotFoundError."""
        deployment = await self.get(environment_id, name)

        async def is_over() -> bool:
            return await self.store.get_deployment_by_id(deployment.id) is None

        return self.logs.follow(Subject.DEPLOYMENT, deployment.id, is_over if live else None)


def _first_status(mode: Mode) -> DeploymentStatus:
    """An elastic deployment needs nothing before its first call."""
    return DeploymentStatus.UP if mode is Mode.ELASTIC else DeploymentStatus.CREATION_PENDING


def _new_endpoint_token() -> str:
    return secrets.token_urlsafe(32)
