"""Deployments as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError

from pipeyard.clock import from_epoch_ms, maybe_epoch_ms, maybe_instant, to_epoch_ms
from pipeyard.domain.deployments import Deployment, DeploymentStatus, Resources
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.names import storable_text
from pipeyard.domain.pods import PodFailure
from pipeyard.domain.records import mappings_from_json, pod_failure_from_json, pod_failure_to_json
from pipeyard.domain.retries import retries_from_json, retries_to_json
from pipeyard.domain.schedule_options import Overlap, ScheduleOptions
from pipeyard.domain.schedules import UTC, Schedule
from pipeyard.errors import ConflictError
from pipeyard.store.cipher import storable_json
from pipeyard.store.database import Record, Rows
from pipeyard.store.tables import IS_HOLDING, IS_OPEN, deployments, executions, pipelines

_ADD = insert(deployments)
_NAMED = select(deployments, pipelines.c.name.label("pipeline_name")).join(
    pipelines, pipelines.c.id == deployments.c.pipeline_id
)
_ALL = _NAMED.order_by(deployments.c.created_at, deployments.c.id)
_DUE_ORDER = (deployments.c.wake_at, deployments.c.id)
_DUE = (
    _NAMED.where(
        deployments.c.wake_at <= bindparam("until"),
        tuple_(*_DUE_ORDER) > tuple_(bindparam("after_at"), bindparam("after_id")),
    )
    .order_by(*_DUE_ORDER)
    .limit(bindparam("most"))
)
_NEXT_WAKE = select(func.min(deployments.c.wake_at)).where(deployments.c.wake_at > bindparam("later_than"))
_FREED = _NAMED.where(
    text(IS_HOLDING), ~exists().where(executions.c.deployment_id == deployments.c.id, text(f"executions.{IS_OPEN}"))
)
_THIS = deployments.c.id == bindparam("deployment_id")
_BY_ID = _ALL.where(_THIS)
_BY_NAME = _ALL.where(
    deployments.c.environment_id == bindparam("environment_id"), deployments.c.name == bindparam("name")
)
_BY_PATH = _ALL.where(
    deployments.c.environment_id == bindparam("environment_id"), deployments.c.endpoint_url_path == bindparam("path")
)
_NAME_TAKEN = select(deployments.c.id).where(
    deployments.c.environment_id == bindparam("environment_id"), deployments.c.name == bindparam("name")
)
_PATH_TAKEN = select(deployments.c.name).where(
    deployments.c.environment_id == bindparam("environment_id"),
    deployments.c.endpoint_url_path == bindparam("endpoint_url_path"),
)
_SET_STATUS = update(deployments).where(_THIS).values(status=bindparam("new_status"))
_SET_POD_FAILURE = update(deployments).where(_THIS).values(last_pod_failure=bindparam("new_failure"))
_CHANGEABLE = (
    *("is_enabled", "mappings", "endpoint_token", "updated_at", "updated_by"),
    *("schedule", "schedule_time_zone", "schedule_jitter_s", "schedule_paused_until"),
    *("schedule_overlap", "schedule_catch_up_s", "retries"),
)
_UPDATE = update(deployments).where(_THIS).values({name: bindparam(f"new_{name}") for name in _CHANGEABLE})
_RESCHEDULE = _UPDATE.values(next_fire_at=bindparam("new_next_fire_at"), wake_at=bindparam("new_wake_at"))
_ADDRESS = ("name", "endpoint_url_path", "endpoint_token", "endpoint_id")
_ADDRESSES = select(deployments.c.id, *(deployments.c[name] for name in _ADDRESS)).where(
    deployments.c.id.in_(bindparam("ids", expanding=True))
)
_MOVE = (
    update(deployments)
    .where(_THIS)
    .values({name: bindparam(f"new_{name}") for name in (*_ADDRESS, "updated_at", "updated_by")})
)
_EXECUTIONS = select(executions.c.id).where(executions.c.deployment_id == bindparam("deployment_id"))
_DELETE = delete(deployments).where(_THIS)


class DeploymentRows(Rows):
    """Implements `ports.DeploymentStore`."""

    async def add_deployment(self, deployment: Deployment) -> None:
        """Raises ConflictError when the name or the endpoint path is taken, or the pipeline is gone."""
        row = self._to_row(deployment)
        await self._database.write(lambda connection: _add(connection, row))

    async def get_deployment(self, environment_id: str, name: str) -> Deployment | None:
        """The deployment of that name."""
        return await self._find(_BY_NAME, {"environment_id": environment_id, "name": name})

    async def get_deployment_by_id(self, deployment_id: str) -> Deployment | None:
        """The deployment of that id."""
        return await self._find(_BY_ID, {"deployment_id": deployment_id})

    async def find_deployment_by_path(self, environment_id: str, endpoint_url_path: str) -> Deployment | None:
        """The deployment that answers at that path."""
        return await self._find(_BY_PATH, {"environment_id": environment_id, "path": endpoint_url_path})

    async def list_deployments(
        self, environment_id: str | None, pipeline_id: str | None = None, mode: Mode | None = None
    ) -> Sequence[Deployment]:
        """Oldest first; None: of every environment, of every pipeline, in every mode."""
        chosen = _ALL
        if environment_id is not None:
            chosen = chosen.where(deployments.c.environment_id == environment_id)
        if pipeline_id is not None:
            chosen = chosen.where(deployments.c.pipeline_id == pipeline_id)
        if mode is not None:
            chosen = chosen.where(deployments.c.mode == mode.value)
        return await self._database.read(lambda c: [self._from_row(row) for row in c.execute(chosen)])

    async def set_deployment_status(self, deployment_id: str, status: DeploymentStatus) -> bool:
        """False when it is gone."""
        given = {"deployment_id": deployment_id, "new_status": status.value}
        return await self._database.write(lambda c: c.execute(_SET_STATUS, given).rowcount == 1)

    async def set_pod_failure(self, deployment_id: str, failure: PodFailure) -> bool:
        """The last one that a pod of it ended with. False when it is gone."""
        given = {"deployment_id": deployment_id, "new_failure": storable_json(pod_failure_to_json(failure))}
        return await self._database.write(lambda c: c.execute(_SET_POD_FAILURE, given).rowcount == 1)

    async def list_due(self, until: datetime, after: Deployment | None, most: int) -> Sequence[Deployment]:
        """Those whose next tick is due, the longest due first; `after`: the last of the page before."""
        given = {
            "until": to_epoch_ms(until),
            "after_at": -1 if after is None else maybe_epoch_ms(after.wake_at),
            "after_id": "" if after is None else after.id,
            "most": most,
        }
        return await self._database.read(lambda c: [self._from_row(row) for row in c.execute(_DUE, given)])

    async def next_wake_at(self, later_than: datetime) -> datetime | None:
        """When the next tick of any deployment is fired, later than that."""
        given = {"later_than": to_epoch_ms(later_than)}
        return await self._database.read(lambda c: maybe_instant(c.execute(_NEXT_WAKE, given).scalar()))

    async def list_freed(self) -> Sequence[Deployment]:
        """Those that hold a tick back and have no open execution any more."""
        return await self._database.read(lambda c: [self._from_row(row) for row in c.execute(_FREED)])

    async def update_deployment(self, deployment: Deployment, *, reschedule: bool = False) -> bool:
        """Write the parts a user can change; the next fire time too with `reschedule`. False when it is gone."""
        row = self._to_row(deployment)
        given = {"deployment_id": deployment.id} | {f"new_{name}": row[name] for name in _CHANGEABLE}
        statement = _UPDATE
        if reschedule:
            times = {f"new_{name}": row[name] for name in ("next_fire_at", "wake_at")}
            statement, given = _RESCHEDULE, given | times
        return await self._database.write(lambda c: c.execute(statement, given).rowcount == 1)

    async def exchange_deployments(self, one_id: str, two_id: str, updated_at: datetime, updated_by: str) -> bool:
        """Names and endpoints, with paths and tokens, change hands. False when one is gone."""
        stamp = {"updated_at": to_epoch_ms(updated_at), "updated_by": updated_by}

        def exchange(connection: Connection) -> bool:
            found = {row["id"]: row for row in connection.execute(_ADDRESSES, {"ids": [one_id, two_id]}).mappings()}
            if len(found) != 2:
                return False
            # By way of an address that nobody has: each stays unique at each step.
            nowhere = {**dict.fromkeys(_ADDRESS), "name": one_id}
            for taker, address in ((one_id, nowhere), (two_id, found[one_id]), (one_id, found[two_id])):
                given = {f"new_{key}": address[key] for key in _ADDRESS} | {f"new_{key}": stamp[key] for key in stamp}
                connection.execute(_MOVE, {"deployment_id": taker} | given)
            return True

        return await self._database.write(exchange)

    async def delete_deployment(self, deployment_id: str) -> Sequence[str]:
        """The ids of the executions that went with it."""
        given = {"deployment_id": deployment_id}

        def remove(connection: Connection) -> Sequence[str]:
            ids = connection.execute(_EXECUTIONS, given).scalars().all()
            connection.execute(_DELETE, given)
            return ids

        return await self._database.write(remove)

    async def _find(self, query: Any, given: Mapping[str, str]) -> Deployment | None:
        row = await self._database.read(lambda c: c.execute(query, given).first())
        return None if row is None else self._from_row(row)

    def _to_row(self, deployment: Deployment) -> dict[str, Any]:
        token, description = deployment.endpoint_token, deployment.description
        schedule, options = deployment.schedule, deployment.schedule_options
        return {
            "id": deployment.id,
            "environment_id": deployment.environment_id,
            "name": deployment.name,
            "pipeline_id": deployment.pipeline_id,
            "rule": deployment.rule.value,
            "mode": deployment.mode.value,
            "status": deployment.status.value,
            "is_enabled": deployment.is_enabled,
            "endpoint_url_path": deployment.endpoint_url_path,
            "endpoint_token": None if token is None else self._cipher.encrypt(token),
            "enable_parallel_executions": deployment.resources.enable_parallel_executions,
            "max_parallel_executions_per_pod": deployment.resources.max_parallel_executions_per_pod,
            "ram_request": deployment.resources.ram_request,
            "gpu_request": deployment.resources.gpu_request,
            "execution_timeout_s": deployment.execution_timeout_s,
            "created_at": to_epoch_ms(deployment.created_at),
            "created_by": deployment.created_by,
            "updated_at": to_epoch_ms(deployment.updated_at),
            "updated_by": deployment.updated_by,
            "description": None if description is None else storable_text(description),
            "mappings": storable_json(deployment.mappings_json),
            "schedule": None if schedule is None else schedule.text,
            "schedule_time_zone": None if schedule is None else schedule.time_zone,
            "schedule_jitter_s": options.jitter_s,
            "schedule_paused_until": maybe_epoch_ms(options.paused_until),
            "schedule_overlap": options.overlap.value,
            "schedule_catch_up_s": options.catch_up_s,
            "next_fire_at": maybe_epoch_ms(deployment.next_fire_at),
            "wake_at": maybe_epoch_ms(deployment.wake_at),
            "held_tick_at": maybe_epoch_ms(deployment.held_tick_at),
            "last_fire_at": maybe_epoch_ms(deployment.last_fire_at),
            "last_tick_at": maybe_epoch_ms(deployment.last_tick_at),
            "endpoint_id": deployment.endpoint_id,
            "last_pod_failure": None,  # see `set_pod_failure`
            "queue_timeout_s": deployment.queue_timeout_s,
            "start_timeout_s": deployment.start_timeout_s,
            "retries": retries_to_json(deployment.retries),
        }

    def _from_row(self, row: Record) -> Deployment:
        inputs_mapping, outputs_mapping = mappings_from_json(row.mappings)
        return Deployment(
            id=row.id,
            environment_id=row.environment_id,
            name=row.name,
            pipeline_id=row.pipeline_id,
            pipeline_name=row.pipeline_name,
            rule=Rule(row.rule),
            mode=Mode(row.mode),
            description=row.description,
            inputs_mapping=inputs_mapping,
            outputs_mapping=outputs_mapping,
            resources=Resources(
                enable_parallel_executions=row.enable_parallel_executions,
                max_parallel_executions_per_pod=row.max_parallel_executions_per_pod,
                ram_request=row.ram_request,
                gpu_request=row.gpu_request,
            ),
            execution_timeout_s=row.execution_timeout_s,
            endpoint_url_path=row.endpoint_url_path,
            endpoint_token=None if row.endpoint_token is None else self._cipher.decrypt(row.endpoint_token),
            is_enabled=row.is_enabled,
            status=DeploymentStatus(row.status),
            created_at=from_epoch_ms(row.created_at),
            created_by=row.created_by,
            updated_at=from_epoch_ms(row.updated_at),
            updated_by=row.updated_by,
            schedule=None if row.schedule is None else Schedule(row.schedule, row.schedule_time_zone or UTC),
            schedule_options=ScheduleOptions(
                row.schedule_jitter_s or 0,
                maybe_instant(row.schedule_paused_until),
                Overlap(row.schedule_overlap or Overlap.ALLOW),
                row.schedule_catch_up_s,
            ),
            next_fire_at=maybe_instant(row.next_fire_at),
            wake_at=maybe_instant(row.wake_at),
            held_tick_at=maybe_instant(row.held_tick_at),
            last_fire_at=maybe_instant(row.last_fire_at),
            last_tick_at=maybe_instant(row.last_tick_at),
            endpoint_id=row.endpoint_id,
            last_pod_failure=pod_failure_from_json(row.last_pod_failure),
            queue_timeout_s=row.queue_timeout_s,
            start_timeout_s=row.start_timeout_s,
            retries=retries_from_json(row.retries),
        )


def _add(connection: Connection, row: Mapping[str, Any]) -> None:
    # Asked first for a message that says what is taken; the constraints decide.
    this = {"environment_id": row["environment_id"]}
    if connection.execute(_NAME_TAKEN, {**this, "name": row["name"]}).first():
        raise ConflictError(f'a deployment named "{row["name"]}" exists already')
    path = row["endpoint_url_path"]
    if path is not None and (taken := connection.execute(_PATH_TAKEN, {**this, "endpoint_url_path": path}).first()):
        raise ConflictError(f'the endpoint path "{path}" is taken by the deployment "{taken.name}"')
    try:
        connection.execute(_ADD, row)
    except IntegrityError:
        raise ConflictError(f'the pipeline of the deployment "{row["name"]}" was deleted, or its id is taken') from None
