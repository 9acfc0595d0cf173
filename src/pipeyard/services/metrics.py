"""Metrics of executions: record, list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pipeyard import clock
from pipeyard.domain.metrics import (
    Metric,
    MetricKind,
    MetricOwner,
    MetricPage,
    MetricQuery,
    record_many,
    record_one,
)
from pipeyard.errors import InvalidInputError, PermissionDeniedError
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.executions import ExecutionService
from pipeyard.services.identities import Caller
from pipeyard.services.pipelines import PipelineService
from pipeyard.store_ports import Store

# Lists are read so many values at a time: a page of long lists is never in memory as a whole.
READ_VALUES_MAX = 100_000


@dataclass(frozen=True)
class MetricFilter:
    """What a caller looks for: any name, and at most one of the others."""

    name: str | None = None
    pipeline_name: str | None = None
    deployment_name: str | None = None
    execution_id: str | None = None


@dataclass(frozen=True)
class Page:
    """Which part of a list: pages are counted from 1."""

    size: int
    number: int


@dataclass(frozen=True)
class MetricService:
    """What a user, or the code of an execution, can ask of metrics."""

    store: Store
    pipelines: PipelineService
    deployments: DeploymentService
    executions: ExecutionService

    async def record_value(
        self, caller: Caller, environment_id: str, execution_id: str, name: str, value: object
    ) -> None:
        """Create or replace a single metric of an open execution.

        Raises InvalidInputError, NotFoundError, PermissionDeniedError (of somebody else's execution), ConflictError.
        """
        recording = record_one(execution_id, name, value, clock.now())
        await self._check_caller(caller, environment_id, execution_id)
        await self.store.record_value(recording)

    async def append_values(
        self, caller: Caller, environment_id: str, execution_id: str, name: str, values: object
    ) -> None:
        """Create or extend a list metric of an open execution. Raises as `record_value`."""
        recording = record_many(execution_id, name, values, clock.now())
        await self._check_caller(caller, environment_id, execution_id)
        await self.store.append_values(recording)

    async def _check_caller(self, caller: Caller, environment_id: str, execution_id: str) -> None:
        execution = await self.executions.get(environment_id, execution_id)
        if caller.pod_of is not None and not caller.owns(execution):
            raise PermissionDeniedError(
                f'execution "{execution_id}" is not one of this pod: its code records metrics for its own executions'
            )

    async def list(self, environment_id: str, kind: MetricKind, wanted: MetricFilter, page: Page) -> MetricPage:
        """Oldest first. Raises InvalidInputError (two owners, a page beyond the last), NotFoundError for an owner."""
        owner, owner_id = await self._find_owner(environment_id, wanted)
        offset = (page.number - 1) * page.size
        found = await self.store.list_metrics(MetricQuery(kind, owner, owner_id, wanted.name, page.size, offset))
        if offset and not found.metrics:
            # An empty answer would keep a client asking that counts up to a total of which some was deleted meanwhile.
            last = max(1, -(-found.total_count // page.size))
            raise InvalidInputError("page", f"{page.number} is beyond the last one", f"1 to {last}")
        return found

    async def _find_owner(self, environment_id: str, wanted: MetricFilter) -> tuple[MetricOwner, str]:
        owners = {
            "filters[pipeline_name]": wanted.pipeline_name,
            "filters[deployment_name]": wanted.deployment_name,
            "filters[execution_id]": wanted.execution_id,
        }
        given = [field for field, value in owners.items() if value is not None]
        if len(given) > 1:
            raise InvalidInputError(given[1], f"cannot go with {given[0]}", f"one of {', '.join(owners)}")
        if wanted.pipeline_name is not None:
            return MetricOwner.PIPELINE, (await self.pipelines.get(environment_id, wanted.pipeline_name)).id
        if wanted.deployment_name is not None:
            return MetricOwner.DEPLOYMENT, (await self.deployments.get(environment_id, wanted.deployment_name)).id
        if wanted.execution_id is not None:
            return MetricOwner.EXECUTION, (await self.executions.get(environment_id, wanted.execution_id)).id
        return MetricOwner.ENVIRONMENT, environment_id

    async def read_values(self, metrics: Sequence[Metric]) -> AsyncIterator[tuple[Metric, str]]:
        """Each list metric with its values, as JSON without brackets."""
        for some in _split(metrics):
            values = await self.store.read_list_values([metric.number for metric in some])
            for metric in some:
                yield metric, values.get(metric.number, "")


def _split(metrics: Sequence[Metric]) -> list[list[Metric]]:
    """In groups of not too many values, in order."""
    groups: list[list[Metric]] = []
    room = 0
    for metric in metrics:
        if metric.count > room:
            groups.append([])
            room = READ_VALUES_MAX
        groups[-1].append(metric)
        room -= metric.count
    return groups
