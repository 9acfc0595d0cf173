"""The store's sheet of the map: what the engine and the services need of the database. The rest is in ports.py.

One suite of tests runs over every implementation: tests/contracts/test_store*.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pipeyard.domain.deployments import Deployment, DeploymentStatus
from pipeyard.domain.executions import (
    Attempt,
    Execution,
    ExecutionFilter,
    ExecutionStatus,
    ExecutionSummary,
    NewExecution,
    Outcome,
    PendingExecution,
    Tick,
)
from pipeyard.domain.firings import Firing
from pipeyard.domain.metrics import MetricOwner, MetricPage, MetricQuery, Recording
from pipeyard.domain.modes import Mode
from pipeyard.domain.pipelines import Pipeline, PipelineStatus
from pipeyard.domain.pods import PodFailure
from pipeyard.domain.projects import Project
from pipeyard.domain.samples import MachineSample, PodPage, Samples, Span
from pipeyard.domain.users import Environment, User


class UserStore(Protocol):
    """Users, environments, their variables and their project settings."""

    async def add_user(self, user: User, sdk_token_hash: str, created_at: datetime) -> None: ...
    async def get_user(self, user_id: str) -> User | None: ...
    async def find_user_by_token(self, sdk_token_hash: str) -> User | None: ...
    async def add_environment(self, environment: Environment) -> None: ...
    async def get_environment(self, name: str) -> Environment | None: ...
    async def list_environments(self) -> Sequence[Environment]: ...

    async def set_variables(self, environment_id: str, variables: Mapping[str, str]) -> None: ...
    async def list_variables(self, environment_id: str) -> dict[str, str]: ...
    async def delete_variable(self, environment_id: str, name: str) -> str | None: ...

    async def set_project(self, environment_id: str, project: Project) -> None: ...
    async def get_project(self, environment_id: str) -> Project: ...


class PipelineStore(Protocol):
    """Pipelines. Deleting one deletes its deployments and all executions of both."""

    async def add_pipeline(self, pipeline: Pipeline) -> None:
        """Raises ConflictError when the name is taken in its environment."""
        ...

    async def get_pipeline(self, environment_id: str, name: str) -> Pipeline | None: ...
    async def get_pipeline_by_id(self, pipeline_id: str) -> Pipeline | None: ...
    async def list_pipelines(self, environment_id: str) -> Sequence[Pipeline]: ...
    async def list_unbuilt_pipelines(self) -> Sequence[Pipeline]: ...
    async def list_images(self) -> set[str]: ...  # those that a pipeline still uses
    async def finish_build(self, pipeline_id: str, status: PipelineStatus, image: str | None) -> bool:
        """End CREATION_PENDING. False when it had ended, or the pipeline is gone."""
        ...

    async def delete_pipeline(self, pipeline_id: str) -> Sequence[str]:
        """The ids of the executions that went with it, whose files and logs are now nobody's."""
        ...


class DeploymentStore(Protocol):
    """Deployments. Deleting one deletes its executions."""

    async def add_deployment(self, deployment: Deployment) -> None:
        """Raises ConflictError: name or endpoint path taken in its environment, or the pipeline is gone."""
        ...

    async def get_deployment(self, environment_id: str, name: str) -> Deployment | None: ...
    async def get_deployment_by_id(self, deployment_id: str) -> Deployment | None: ...
    async def find_deployment_by_path(self, environment_id: str, endpoint_url_path: str) -> Deployment | None: ...
    async def list_deployments(
        self, environment_id: str | None, pipeline_id: str | None = None, mode: Mode | None = None
    ) -> Sequence[Deployment]: ...
    async def set_deployment_status(self, deployment_id: str, status: DeploymentStatus) -> bool: ...
    async def set_pod_failure(self, deployment_id: str, failure: PodFailure) -> bool: ...
    async def update_deployment(self, deployment: Deployment, *, reschedule: bool = False) -> bool:
        """Write what a user can change: is_enabled, mappings, schedule, token, updated_*. False when it is gone.

        With `reschedule` next_fire_at and wake_at too, which ticks move otherwise.
        """
        ...

    async def list_due(self, until: datetime, after: Deployment | None, most: int) -> Sequence[Deployment]:
        """Those whose wake_at has come, the longest due first; `after`: the last one of the page before."""
        ...

    async def next_wake_at(self, later_than: datetime) -> datetime | None: ...
    async def list_freed(self) -> Sequence[Deployment]: ...  # they hold a tick back and have no open execution any more
    def add_ticks(self, firings: Sequence[Firing], server_id: str) -> Awaitable[Sequence[frozenset[str] | None]]:
        """Add executions for due ticks and move deployments on, all or nothing. Of each, the ids that were stored.

        Never two for one tick. None: it is not as it was read, or not idle but has to be. Raises ConflictError.
        """
        ...

    def add_missing_ticks(self, ticks: Sequence[Tick], server_id: str) -> Awaitable[frozenset[str]]:
        """Add executions for those ticks that were never run, Skipped ones included. The ids of those stored."""
        ...

    async def exchange_deployments(self, one_id: str, two_id: str, updated_at: datetime, updated_by: str) -> bool:
        """Trade their names, endpoint ids, paths and tokens, all or nothing. False when one is gone."""
        ...

    async def delete_deployment(self, deployment_id: str) -> Sequence[str]:
        """As `delete_pipeline`."""
        ...


class ExecutionStore(Protocol):
    """Executions. The truth about them: an id that a caller has seen is committed, a final state never changes.

    The writes that are not `async def` take effect in the order of the calls, awaited or not: the call queues them.
    Each returns once it is durable. `server_id` is the lease: a write for a row of another server changes nothing.
    """

    def add_execution(self, execution: NewExecution, server_id: str) -> Awaitable[None]:
        """Store it as Pending. Raises ConflictError when the id is taken or its pipeline or deployment is gone."""
        ...

    def start_execution(
        self, execution_id: str, server_id: str, started_at: datetime, attempt: int = 1
    ) -> Awaitable[bool]:
        """Pending to Running. False when it was not Pending, is in another attempt, or is not ours."""
        ...

    def finish_execution(self, execution_id: str, server_id: str, outcome: Outcome) -> Awaitable[bool]:
        """Open to final. False when it was final already, is not ours, or is gone: drop the result then."""
        ...

    def retry_execution(
        self, execution_id: str, server_id: str, outcome: Outcome, retry_at: datetime
    ) -> Awaitable[bool]: ...  # open to Pending again; the attempt that ended so is kept, its metrics are not
    async def list_attempts(self, execution_id: str) -> Sequence[Attempt]: ...  # that were followed by another
    def finish_waiting(self, execution_id: str, server_id: str, outcome: Outcome) -> Awaitable[bool]: ...  # if Pending
    async def adopt_executions(self, server_id: str) -> int: ...  # those of servers that are gone; how many
    async def get_execution(self, execution_id: str) -> Execution | None: ...
    async def get_status(self, execution_id: str) -> ExecutionStatus | None: ...
    async def get_input_values(self, execution_id: str) -> str | None: ...
    async def get_output_values(self, execution_id: str) -> str | None: ...
    async def list_executions(self, chosen: ExecutionFilter) -> Sequence[ExecutionSummary]: ...  # newest first
    async def latest_execution(
        self, *, pipeline_id: str | None = None, deployment_id: str | None = None
    ) -> str | None: ...
    async def list_open_executions(self) -> Sequence[PendingExecution]:
        """Every Pending or Running one, oldest first, without its values (an empty text)."""
        ...

    async def has_open_execution(self, deployment_id: str) -> bool: ...
    async def get_pending(self, execution_id: str) -> PendingExecution | None: ...  # with its values, for a pod
    async def list_ended(self, before: datetime | None, after: str | None, limit: int) -> Sequence[str]:
        """Ids of those that have ended (before that instant), the first accepted first, behind the one `after`."""
        ...

    async def delete_execution(self, execution_id: str) -> bool:
        """False when it does not exist or is still open."""
        ...


class MetricStore(Protocol):
    """Metrics of executions. A write may raise NotFoundError or ConflictError (ended, a limit), and changes nothing."""

    async def record_value(self, recording: Recording) -> None: ...
    async def append_values(self, recording: Recording) -> None: ...
    async def list_metrics(self, query: MetricQuery) -> MetricPage: ...
    async def read_list_values(self, numbers: Sequence[int]) -> Mapping[int, str]: ...  # JSON without its brackets


class SampleStore(Protocol):
    """What the machine and the pods were doing. A step of a span gives averages, sums of traffic, memory at most."""

    async def add_samples(self, samples: Samples, oldest_at: datetime) -> None: ...  # and forget what is older
    async def oldest_sample_at(self) -> datetime | None: ...
    async def read_machine_samples(self, span: Span) -> Sequence[MachineSample]: ...
    async def read_pod_samples(self, span: Span, owner: MetricOwner, owner_id: str) -> PodPage: ...


class Store(UserStore, PipelineStore, DeploymentStore, ExecutionStore, MetricStore, SampleStore, Protocol):
    """The database. Everything that must not be lost is here."""

    async def add_server(self, server_id: str, started_at: datetime) -> None: ...
    async def used_bytes(self) -> int: ...  # on the disk, without what is free to be used again
    async def check(self) -> None:
        """Raises DiskError while nothing can be committed. Costs nothing when the last commit went well."""
        ...

    async def close(self) -> None: ...
