"""What the machine and the pods were doing: read back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeyard import clock
from pipeyard.domain.metrics import MetricOwner
from pipeyard.domain.samples import Capacity, MachineSample, PodPage, Span, in_steps
from pipeyard.errors import InvalidInputError
from pipeyard.ports import Gauge
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.executions import ExecutionService
from pipeyard.settings import Settings
from pipeyard.store_ports import Store


@dataclass(frozen=True)
class ResourceUsageService:
    """Series of samples, in points that a reader can look at."""

    store: Store
    gauge: Gauge
    deployments: DeploymentService
    executions: ExecutionService
    settings: Settings

    async def capacity(self) -> Capacity:
        """What the machine has."""
        return await asyncio.to_thread(self.gauge.capacity)

    async def read_machine(self, start: datetime, end: datetime) -> Sequence[MachineSample]:
        """Ascending, `start` included and `end` not."""
        span = await self._span(start, end)
        return [] if span is None else await self.store.read_machine_samples(span)

    async def read_pods(
        self, start: datetime, end: datetime, environment_id: str, deployment_name: str | None, execution_id: str | None
    ) -> PodPage:
        """Those seen last first; of a deployment, its elastic pods included, or of an execution. Raises NotFoundError.

        Raises InvalidInputError for both.
        """
        owner, owner_id = MetricOwner.ENVIRONMENT, environment_id
        if deployment_name is not None and execution_id is not None:
            raise InvalidInputError("execution_id", "cannot go with deployment_name", "one of the two")
        if deployment_name is not None:
            owner, owner_id = MetricOwner.DEPLOYMENT, (await self.deployments.get(environment_id, deployment_name)).id
        elif execution_id is not None:
            owner, owner_id = MetricOwner.EXECUTION, (await self.executions.get(environment_id, execution_id)).id
        span = await self._span(start, end)
        return PodPage([], 0) if span is None else await self.store.read_pod_samples(span, owner, owner_id)

    async def _span(self, start: datetime, end: datetime) -> Span | None:
        """Where there are samples: a question about all times gets as many points as one about the time they cover."""
        oldest_at = await self.store.oldest_sample_at()
        if oldest_at is None:
            return None
        start, end = max(start, oldest_at), min(end, clock.now() + timedelta(milliseconds=1))
        return in_steps(start, end, self.settings.resource_sample_s) if start < end else None
