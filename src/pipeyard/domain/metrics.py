"""Metrics that a pipeline records of its executions: one number, or a list of numbers, by name."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from pipeyard.domain.names import shown
from pipeyard.errors import InvalidInputError

SINGLE_METRICS_MAX = 100  # of one execution
LIST_METRICS_MAX = 25  # of one execution
LIST_VALUES_MAX = 50_000  # of one list metric of one execution
CALL_VALUES_MAX = 10_000  # of one call
NUMBER_RULE = "a finite number"


class MetricKind(str, Enum):
    """A metric of either kind may have the name of one of the other."""

    SINGLE = "single"
    LIST = "list"


@dataclass(frozen=True)
class Recording:
    """What one call records: `values_json` is one number, or `count` of them with commas between."""

    execution_id: str
    name: str
    values_json: str
    count: int
    at: datetime


@dataclass(frozen=True)
class Metric:
    """A metric as it is listed. `value` is None for a list, whose `count` values are read apart by `number`."""

    number: int
    name: str
    created_at: datetime  # when it was recorded first
    execution_id: str
    pipeline_name: str
    deployment_name: str | None  # None: of a run
    value: int | float | None
    count: int = 1


class MetricOwner(str, Enum):
    """What a metric is looked for by."""

    ENVIRONMENT = "environment"
    PIPELINE = "pipeline"  # executions of its deployments included
    DEPLOYMENT = "deployment"
    EXECUTION = "execution"


@dataclass(frozen=True)
class MetricQuery:
    """Which metrics: all of one owner, or those of one name; and which page of them."""

    kind: MetricKind
    owner: MetricOwner
    owner_id: str
    name: str | None
    limit: int
    offset: int = 0


@dataclass(frozen=True)
class MetricPage:
    """Some metrics, oldest first, and how many there are on all pages."""

    metrics: Sequence[Metric]
    total_count: int


def record_one(execution_id: str, name: str, value: object, at: datetime) -> Recording:
    """Raises InvalidInputError unless the value is a finite number."""
    return Recording(execution_id, name, json.dumps(_check_number("value", value)), 1, at)


def record_many(execution_id: str, name: str, values: object, at: datetime) -> Recording:
    """Raises InvalidInputError unless these are finite numbers, at least one and not too many."""
    if not isinstance(values, list):
        raise InvalidInputError("values", f"must be a list, got {type(values).__name__}", "a list of finite numbers")
    if not 1 <= len(values) <= CALL_VALUES_MAX:
        raise InvalidInputError("values", f"has {len(values)} values", f"1 to {CALL_VALUES_MAX} in one call")
    numbers = [_check_number(f"values[{index}]", value) for index, value in enumerate(values)]
    return Recording(execution_id, name, json.dumps(numbers, separators=(",", ":"))[1:-1], len(numbers), at)


def _check_number(field: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        problem = "is missing" if value is None else f"{shown(value)} is no number"
        raise InvalidInputError(field, problem, NUMBER_RULE)
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        is_finite = False
    if not is_finite:
        raise InvalidInputError(field, "is not finite, or too large for a float", NUMBER_RULE)
    return value
