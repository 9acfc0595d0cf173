"""The words that calls and answers are made of, as enumerations."""

from __future__ import annotations

from enum import Enum


class _Word(str, Enum):
    """A member is its text: it compares, prints and travels as that."""

    def __str__(self) -> str:
        return str(self.value)


class DEPLOYMENT_EXECUTION_RULES(_Word):  # noqa: N801
    """What starts the executions of a deployment."""

    ENDPOINT = "endpoint"
    PERIODIC = "periodic"


class DEPLOYMENT_MODES(_Word):  # noqa: N801
    """Where the executions of a deployment run: each in a pod of its own, or all in one that is warm."""

    ELASTIC = "elastic"
    LOW_LATENCY = "low_latency"


class DEPLOYMENT_STATUS(_Word):  # noqa: N801
    """The state of a deployment."""

    CREATION_PENDING = "creation_pending"
    UP = "up"
    CREATION_FAILED = "creation_failed"
    DOWN_RETRYING = "down_retrying"
    STANDBY = "standby"
    DISABLED = "disabled"


class EXECUTION_STATUS(_Word):  # noqa: N801
    """The state of an execution. `FAILED` is the fault of the pipeline's code, `ERROR` that of the platform."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    SKIPPED = "Skipped"
    FAILED = "Failed"
    ERROR = "Error"


class INPUT_OUTPUT_TYPES(_Word):  # noqa: N801
    """The type of an input or an output."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"
    ARRAY = "array"
    FILE = "file"


class CREATION_PARAMETER_VALUE(Enum):  # noqa: N801
    """Values of `container_config` that are no text: the project's setting, or explicitly none."""

    FALLBACK_PROJECT = "FALLBACK_PROJECT"
    NULL = "NULL"


FAILED_EXECUTION_STATUSES = frozenset({EXECUTION_STATUS.FAILED, EXECUTION_STATUS.ERROR})
COMPLETED_EXECUTION_STATUSES = FAILED_EXECUTION_STATUSES | {EXECUTION_STATUS.SUCCEEDED, EXECUTION_STATUS.SKIPPED}
