"""Deployments: the standing rules that turn calls or time into executions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from typing import Any

from pipeyard.domain.mappings import InputMapping, OutputMapping, resolve_inputs
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.names import (
    check_endpoint_token,
    check_endpoint_url_path,
    check_free_text,
    check_keys,
    check_name,
    shown,
)
from pipeyard.domain.pods import PodFailure
from pipeyard.domain.ram import parse_ram
from pipeyard.domain.records import mappings_to_json
from pipeyard.domain.retries import NO_RETRIES, RETRY_FIELDS, Retries, read_retries, retries_to_json
from pipeyard.domain.schedule_options import (
    DEFAULT_OPTIONS,
    SCHEDULE_FIELDS,
    ScheduleOptions,
    read_options,
    read_schedule,
)
from pipeyard.domain.schedules import Schedule
from pipeyard.errors import InvalidInputError

DEFAULT_PARALLEL_EXECUTIONS = 6
PARALLEL_EXECUTIONS_LIMIT = 1000
EXECUTION_TIMEOUT_LIMIT_S = 30 * 24 * 3600
HORIZON = timedelta(days=5 * 366)  # of a preview
_MILLISECOND = timedelta(milliseconds=1)

FIELDS = (
    "pipeline_name",
    "name",
    "mode",
    "execution_rule",
    "description",
    "enable_parallel_executions",
    "max_parallel_executions_per_pod",
    "ram_request",
    "gpu_request",
    "execution_timeout_s",
    "queue_timeout_s",
    "start_timeout_s",
    *RETRY_FIELDS,
    *SCHEDULE_FIELDS,
    "endpoint_url_path",
    "endpoint_token",
    "inputs_mapping",
    "outputs_mapping",
)


class DeploymentStatus(str, Enum):
    """CREATION_PENDING -> UP | CREATION_FAILED; UP <-> DOWN_RETRYING; any <-> DISABLED."""

    CREATION_PENDING = "creation_pending"
    UP = "up"
    CREATION_FAILED = "creation_failed"
    DOWN_RETRYING = "down_retrying"
    STANDBY = "standby"
    DISABLED = "disabled"


SETTLED = frozenset(
    {DeploymentStatus.UP, DeploymentStatus.CREATION_FAILED, DeploymentStatus.DISABLED, DeploymentStatus.STANDBY}
)


@dataclass(frozen=True)
class Resources:
    """How a deployment's pod is sized and shared: the part of a request that only low latency may set."""

    enable_parallel_executions: bool = False
    max_parallel_executions_per_pod: int = DEFAULT_PARALLEL_EXECUTIONS
    ram_request: str | None = None
    gpu_request: int | None = None

    @property
    def ram_request_bytes(self) -> int | None:
        """The memory request in bytes."""
        return None if self.ram_request is None else parse_ram("ram_request", self.ram_request)


@dataclass(frozen=True)
class DeploymentRequest:
    """What a user asks for, its own fields checked; mappings are checked against the pipeline."""

    name: str
    pipeline_name: str
    rule: Rule
    mode: Mode
    description: str | None
    resources: Resources
    execution_timeout_s: int | None
    queue_timeout_s: int | None
    start_timeout_s: int | None
    retries: Retries
    endpoint_url_path: str | None
    endpoint_token: str | None
    schedule: Schedule | None
    schedule_options: ScheduleOptions


@dataclass(frozen=True)
class Deployment:
    """A deployment as it is stored. The endpoint token is in clear here and encrypted in the store."""

    id: str
    environment_id: str
    name: str
    pipeline_id: str
    pipeline_name: str
    rule: Rule
    mode: Mode
    description: str | None
    inputs_mapping: tuple[InputMapping, ...]
    outputs_mapping: tuple[OutputMapping, ...]
    resources: Resources
    execution_timeout_s: int | None
    endpoint_url_path: str | None
    endpoint_token: str | None
    is_enabled: bool
    status: DeploymentStatus
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    # Of a periodic one alone.
    schedule: Schedule | None = None
    schedule_options: ScheduleOptions = DEFAULT_OPTIONS
    next_fire_at: datetime | None = None  # when the next tick is due; None: it is disabled
    wake_at: datetime | None = None  # when that tick is fired: its jitter is added
    held_tick_at: datetime | None = None  # a tick that waits for the end of an open execution
    last_fire_at: datetime | None = None  # when the last tick that gave an execution to run was due
    last_tick_at: datetime | None = None  # when the last one was due, run or skipped
    # What callers know: it goes with path and token to the deployment that takes this one's place. None: periodic.
    endpoint_id: str | None = None
    last_pod_failure: PodFailure | None = None  # it stays when the next pod is up
    # How long an execution may be Pending, and how long the import of the module may take. None: as long as it takes.
    queue_timeout_s: int | None = None
    start_timeout_s: int | None = None
    retries: Retries = NO_RETRIES

    @cached_property
    def mappings_json(self) -> str:
        """Both mappings as executions store them; encoded once, not at each call."""
        return mappings_to_json(self.inputs_mapping, self.outputs_mapping)

    @cached_property
    def retries_json(self) -> str | None:
        """As executions store it."""
        return None if self.retries.count == 0 else retries_to_json(self.retries)

    @cached_property
    def unattended_values_json(self) -> str:
        """The values of an execution that nobody sends inputs to: every tick's, until the mapping is changed."""
        return json.dumps(resolve_inputs(self.inputs_mapping, {}, ()).values, separators=(",", ":"))

    def scheduled(self, now: datetime) -> Deployment:
        """With its next fire time, counted from now: what was due before is not made up for.

        Where a clock was set back, that may be a tick that was dealt with: the store does not give it twice.
        """
        if self.schedule is None or not self.is_enabled:
            return replace(self, next_fire_at=None, wake_at=None)
        begin = max(now, (self.schedule_options.paused_until or now) - _MILLISECOND)
        due_at = self.schedule.next_after(begin)
        return replace(self, next_fire_at=due_at, wake_at=self.wake_time(due_at))

    def hurried(self, now: datetime) -> Deployment:
        """As if no tick had jitter: one that is due and waits for its own is to be fired now."""
        options, wake_at = replace(self.schedule_options, jitter_s=0), self.wake_at
        return replace(self, schedule_options=options, wake_at=None if wake_at is None else min(wake_at, now))

    def coming_fire_times(self) -> Iterator[datetime]:
        """When its next ticks are due, in the time zone of its schedule: the next one, and what is due soon after it.

        One that waits for its jitter is the next one.
        """
        due_at = first = self.next_fire_at
        while due_at is not None and first is not None and self.schedule is not None and due_at - first <= HORIZON:
            yield due_at.astimezone(self.schedule.zone)
            due_at = self.schedule.next_after(due_at)

    def wake_time(self, due_at: datetime) -> datetime:
        """When a tick is fired."""
        if self.schedule is None or self.schedule_options.jitter_s == 0:
            return due_at
        return due_at + self.schedule_options.jitter(self.id, due_at, self.schedule.next_after(due_at) - due_at)


_NO_ENDPOINT = "a periodic deployment is triggered by its schedule, it has no endpoint"
_NEVER_SENT = "is how long the client waits, it is never sent; for a limit per execution use execution_timeout_s"
_REFUSED = {
    Rule.ENDPOINT: {
        **dict.fromkeys(SCHEDULE_FIELDS, "an endpoint deployment is triggered by calls, it has no schedule"),
        "timeout_s": _NEVER_SENT,
    },
    Rule.PERIODIC: {"endpoint_url_path": _NO_ENDPOINT, "endpoint_token": _NO_ENDPOINT, "timeout_s": _NEVER_SENT},
}


def read_request(fields: Mapping[str, Any], rule: Rule) -> DeploymentRequest:
    """Check the fields of a creation (wire.md 3.3). Raises InvalidInputError naming the field."""
    name = check_name("name", fields.get("name"))
    pipeline_name = check_name("pipeline_name", fields.get("pipeline_name"))
    mode = _mode(fields.get("mode"))
    for key, reason in _REFUSED[rule].items():
        if fields.get(key) is not None:
            raise InvalidInputError(key, reason)
    check_keys("", fields, (*FIELDS, "timeout_s"), FIELDS)
    if fields.get("execution_rule") not in (None, rule.value):
        raise InvalidInputError("execution_rule", f"{shown(fields['execution_rule'])} does not fit", rule.value)
    path, token = fields.get("endpoint_url_path"), fields.get("endpoint_token")
    is_endpoint = rule is Rule.ENDPOINT
    description = fields.get("description")
    return DeploymentRequest(
        name=name,
        pipeline_name=pipeline_name,
        rule=rule,
        mode=mode,
        description=None if description is None else check_free_text("description", description),
        resources=_resources(fields, mode),
        execution_timeout_s=_whole_number(fields, "execution_timeout_s", EXECUTION_TIMEOUT_LIMIT_S),
        queue_timeout_s=_whole_number(fields, "queue_timeout_s", EXECUTION_TIMEOUT_LIMIT_S),
        start_timeout_s=_whole_number(fields, "start_timeout_s", EXECUTION_TIMEOUT_LIMIT_S),
        retries=read_retries(fields, NO_RETRIES),
        endpoint_url_path=(
            check_endpoint_url_path("endpoint_url_path", name if path is None else path) if is_endpoint else None
        ),
        endpoint_token=None if token is None else check_endpoint_token("endpoint_token", token),
        schedule=None if is_endpoint else read_schedule(fields, None),
        schedule_options=read_options(fields, DEFAULT_OPTIONS),
    )


def _mode(value: object) -> Mode:
    try:
        return Mode.ELASTIC if value is None else Mode(value)
    except ValueError:
        raise InvalidInputError("mode", f"{shown(value)} is not a mode", "elastic, low_latency") from None


def _resources(fields: Mapping[str, Any], mode: Mode) -> Resources:
    parallel = fields.get("enable_parallel_executions")
    if parallel is not None and not isinstance(parallel, bool):
        raise InvalidInputError("enable_parallel_executions", f"must be true or false, got {shown(parallel)}")
    at_once = _whole_number(fields, "max_parallel_executions_per_pod", PARALLEL_EXECUTIONS_LIMIT)
    gpus = _whole_number(fields, "gpu_request", 1024, least=0)
    ram = fields.get("ram_request")
    if mode is Mode.ELASTIC:
        _refuse_for_elastic(parallel, at_once, ram, gpus)
    if at_once is not None and not parallel:
        raise InvalidInputError(
            "max_parallel_executions_per_pod", "only applies if enable_parallel_executions is true", "leave it out"
        )
    if ram is not None:
        parse_ram("ram_request", ram)
    return Resources(bool(parallel), at_once or DEFAULT_PARALLEL_EXECUTIONS, ram, gpus)


def _refuse_for_elastic(parallel: bool | None, at_once: int | None, ram: object, gpus: int | None) -> None:
    alone = "in elastic mode each execution runs in a new pod of its own"
    # enable_parallel_executions=false is sent by the public client for every mode.
    if parallel:
        raise InvalidInputError("enable_parallel_executions", alone, 'mode "low_latency", or leave it out')
    if at_once is not None:
        raise InvalidInputError("max_parallel_executions_per_pod", alone, 'mode "low_latency", or leave it out')
    for key, value in (("ram_request", ram), ("gpu_request", gpus)):
        if value is not None:
            problem, allowed = 'is only available for mode "low_latency"', "leave it out, or low_latency"
            if key == "ram_request":
                allowed += "; elastic executions take theirs from the pipeline's container_config"
            raise InvalidInputError(key, problem, allowed)


def _whole_number(fields: Mapping[str, Any], key: str, most: int, least: int = 1) -> int | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInputError(key, f"{shown(value)} is not usable", f"a whole number from {least} to {most}")
    return value
