"""Executions: one run of a pipeline with its inputs fixed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from pipeyard.domain.mappings import Destination, InputMapping, OutputMapping, Source
from pipeyard.domain.objects import expand_output_path, object_key


class ExecutionStatus(str, Enum):
    """PENDING -> RUNNING -> SUCCEEDED | FAILED | ERROR. A pending one may end without running (ERROR, SKIPPED)."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"  # the fault of the user's code
    ERROR = "Error"  # the fault of the platform
    SKIPPED = "Skipped"

    @property
    def is_final(self) -> bool:
        """Whether it never changes again."""
        return self not in OPEN


OPEN = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING})


@dataclass(frozen=True)
class Failure:
    """Why an execution did not succeed, or why a pod ended. `kind` is a word of `pod.protocol.FailureKind`."""

    kind: str
    message: str
    remedy: str | None = None
    traceback: str | None = None  # of user code alone
    signal: str | None = None  # that ended the process, such as SIGSEGV
    exit_code: int | None = None  # that the process ended with
    peak_memory_bytes: int | None = None  # of all processes of the pod together; None: nobody counted
    memory_limit_bytes: int | None = None


@dataclass(frozen=True)
class Execution:
    """An execution without its values, which can be large: see `Store.get_input_values`."""

    id: str
    environment_id: str
    pipeline_id: str
    pipeline_name: str
    deployment_id: str | None  # None: a run
    deployment_name: str | None
    inputs_mapping: tuple[InputMapping, ...]
    outputs_mapping: tuple[OutputMapping, ...]
    status: ExecutionStatus
    created_at: datetime
    created_by: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure: Failure | None = None
    due_at: datetime | None = None  # of the tick that it stands for; None: it was not triggered by a schedule
    endpoint_id: str | None = None  # of the deployment, when it accepted it
    attempt: int = 1  # the one that its status, instants and failure are of
    retry_at: datetime | None = None  # when that attempt was to begin to wait; None: the first

    def destination_of(self, mapping: OutputMapping) -> Any:
        """The `at` of an output of this execution: a path without placeholders, if it goes to the data store."""
        if mapping.destination is Destination.DATASTORE:
            return expand_output_path(mapping.at, self.id, self.created_at)
        return mapping.at


@dataclass(frozen=True)
class ExecutionSummary:
    """A row of a list of executions."""

    id: str
    status: ExecutionStatus
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    pipeline_name: str
    deployment_name: str | None
    due_at: datetime | None = None


@dataclass(frozen=True)
class ExecutionFilter:
    """Which executions a list has: all conditions hold. `before`: only those accepted before that execution."""

    environment_id: str
    pipeline_id: str | None = None
    deployment_id: str | None = None
    status: ExecutionStatus | None = None
    before: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class NewExecution:
    """What is stored when an execution is accepted. Mappings are already JSON: a deployment's are encoded once."""

    id: str
    environment_id: str
    pipeline_id: str
    deployment_id: str | None
    mappings_json: str  # see domain.records
    input_values_json: str  # {pipeline input: value}; files are in the data store, variables are read at the start
    created_at: datetime
    created_by: str
    endpoint_id: str | None = None
    queue_timeout_s: int | None = None  # how long it may be Pending
    retries_json: str | None = None  # see domain.retries; None: none


@dataclass(frozen=True)
class Outcome:
    """How an execution ended. `output_values_json`: {pipeline output: value}, files left out."""

    status: ExecutionStatus
    ended_at: datetime
    output_values_json: str | None = None
    failure: Failure | None = None
    attempt: int | None = None  # the one that ended; None: whichever there is


@dataclass(frozen=True)
class Attempt:
    """An attempt of an execution that was tried again. All but the last are FAILED or ERROR."""

    number: int
    status: ExecutionStatus
    started_at: datetime | None
    ended_at: datetime | None
    failure: Failure | None


@dataclass(frozen=True)
class Tick:
    """One instant of a schedule, and what becomes of it: an execution to run, or one that is Skipped."""

    due_at: datetime
    execution: NewExecution
    skipped: Failure | None = None
    fire_at: datetime | None = None  # when it was to be fired on purpose, with its jitter; None: when it was due


@dataclass(frozen=True)
class PendingExecution:
    """What a pod needs of an execution, read back from the store."""

    id: str
    environment_id: str
    pipeline_id: str
    deployment_id: str | None
    mappings_json: str
    input_values_json: str
    status: ExecutionStatus
    due_at: datetime | None = None  # as that of an `Execution`; left out of what was just accepted
    waits_since: datetime | None = None
    queue_timeout_s: int | None = None
    retries_json: str | None = None
    attempt: int = 1
    retry_at: datetime | None = None  # when this attempt begins to wait; None: it did when it was accepted

    @property
    def expires_at(self) -> datetime | None:
        """When it has been Pending for too long; None: never."""
        waits_since = self.retry_at or self.waits_since
        if waits_since is None or self.queue_timeout_s is None:
            return None
        return waits_since + timedelta(seconds=self.queue_timeout_s)


def pending(accepted: NewExecution) -> PendingExecution:
    """What was just stored, as a pod needs it."""
    return PendingExecution(
        accepted.id,
        accepted.environment_id,
        accepted.pipeline_id,
        accepted.deployment_id,
        accepted.mappings_json,
        accepted.input_values_json,
        ExecutionStatus.PENDING,
        waits_since=accepted.created_at,
        queue_timeout_s=accepted.queue_timeout_s,
        retries_json=accepted.retries_json,
    )


EXECUTION_FILES = "executions/"  # the folder of all of them in the platform's part of the data store


def input_path(execution_id: str, input_name: str) -> str:
    """Where a file input of an execution is kept in the platform's part of the data store."""
    return f"{EXECUTION_FILES}{execution_id}/inputs/{input_name}"


def file_input_path(execution: Execution | PendingExecution, mapping: InputMapping) -> str | None:
    """Where the file of an input is in the data store, the user's part included; None: no file was to be sent."""
    if mapping.source is Source.DATASTORE:
        return object_key(execution.environment_id, mapping.at)
    return None if mapping.source is Source.IS_NULL else input_path(execution.id, mapping.input_name)


def output_path(execution_id: str, output_name: str) -> str:
    """Where a file output of an execution is kept."""
    return f"{EXECUTION_FILES}{execution_id}/outputs/{output_name}"


def values_prefix(execution_id: str) -> str:
    """The folder of all files of an execution."""
    return f"{EXECUTION_FILES}{execution_id}/"


def execution_of_file(path: str) -> str:
    """The id of the execution that a file belongs to."""
    return path.removeprefix(EXECUTION_FILES).partition("/")[0]
