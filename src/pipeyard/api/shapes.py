"""The JSON shapes of the answers (wire.md 3). Internal ids appear only under the keys that clients strip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeyard.clock import to_wire
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import Attempt, Execution, ExecutionStatus, ExecutionSummary, Failure
from pipeyard.domain.log_lines import LogLine
from pipeyard.domain.mappings import (
    DESTINATION_KEYS,
    SOURCE_KEYS,
    Destination,
    InputMapping,
    OutputMapping,
    Source,
)
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.pipelines import ContainerConfig, Input, Output, Pipeline
from pipeyard.domain.pods import PodFailure
from pipeyard.domain.retries import NO_RETRIES
from pipeyard.domain.schedule_descriptions import describe
from pipeyard.domain.schedules import Schedule

Json = dict[str, Any]
LINE_LENGTH_MAX = 500  # of a line that is shown with a failure


def pipeline_shape(pipeline: Pipeline) -> Json:
    """`GET /pipelines/{name}`."""
    declaration = pipeline.declaration
    return {
        "parameters": {
            "pipeline_name": declaration.name,
            "function_path": declaration.function_path,
            "function_name": declaration.function_name,
            "description": declaration.description,
            "inputs": [declared_shape(declared) for declared in declaration.inputs],
            "outputs": [declared_shape(declared) for declared in declaration.outputs],
            "container_config": config_shape(declaration.container_config),
        },
        "creation_info": {
            "created_at": to_wire(pipeline.created_at),
            "created_by": pipeline.created_by,
            "commit_id": pipeline.commit_id,
            "status": pipeline.status.value,
            "origin": pipeline.origin.value,
            "pipeline_template": None if pipeline.template is None else asdict(pipeline.template),
        },
    }


def declared_shape(declared: Input | Output) -> Json:
    """An input or output as it is declared."""
    shape: Json = {"name": declared.name, "data_type": declared.data_type.value, "description": declared.description}
    if isinstance(declared, Input):
        shape |= {"is_required": declared.is_required, "default_value": declared.default_value}
    return _without_none(shape)


def config_shape(config: ContainerConfig) -> Json:
    """A `container_config`, which never has the deploy key."""
    folders = config.included_folders
    shape = asdict(config) | {
        "included_folders": None if folders is None else list(folders),
        "system_dependencies": list(config.system_dependencies),
    }
    if config.ram_request is None:  # a key of ours: other clients see it where somebody has set it
        del shape["ram_request"]
    return shape


def pipeline_row(pipeline: Pipeline) -> Json:
    """An item of `GET /pipelines`."""
    return {
        "pipeline_name": pipeline.name,
        "created_at": to_wire(pipeline.created_at),
        "status": pipeline.status.value,
    }


def deployment_shape(deployment: Deployment, pods: Sequence[tuple[str, str]], *, with_token: bool) -> Json:
    """`GET /deployments/{name}`; the code in a pod gets no endpoint token."""
    shape: Json = {
        "name": deployment.name,
        "mode": deployment.mode.value,
        "pipeline": {"name": deployment.pipeline_name},
        "execution_rule": deployment.rule.value,
        "inputs_mapping": [input_mapping_shape(mapping) for mapping in deployment.inputs_mapping],
        "outputs_mapping": [output_mapping_shape(mapping) for mapping in deployment.outputs_mapping],
        "created_at": to_wire(deployment.created_at),
        "created_by": deployment.created_by,
        "updated_at": to_wire(deployment.updated_at),
        "updated_by": deployment.updated_by,
        "is_enabled": deployment.is_enabled,
        "description": deployment.description,
        "status": deployment.status.value,
    }
    if deployment.rule is Rule.ENDPOINT:
        if with_token:
            shape["endpoint_token"] = deployment.endpoint_token
        shape["endpoint_url_path"] = deployment.endpoint_url_path
    if deployment.schedule is not None:
        shape |= schedule_shape(deployment.schedule) | options_shape(deployment)
        shape["next_fire_at"] = to_wire(deployment.next_fire_at)
        shape["last_fire_at"] = to_wire(deployment.last_fire_at)
        shape["held_tick_at"] = to_wire(deployment.held_tick_at)
    shape |= _without_none(
        {name: getattr(deployment, name) for name in ("execution_timeout_s", "queue_timeout_s", "start_timeout_s")}
    )
    if deployment.retries != NO_RETRIES:
        retries = deployment.retries
        shape |= {"retries": retries.count, "retry_delay_s": retries.delay_s, "retry_on": list(retries.on)}
    if deployment.mode is Mode.LOW_LATENCY:
        resources = deployment.resources
        shape["enable_parallel_executions"] = resources.enable_parallel_executions
        if resources.enable_parallel_executions:
            shape["max_parallel_executions_per_pod"] = resources.max_parallel_executions_per_pod
        shape |= _without_none({"ram_request": resources.ram_request, "gpu_request": resources.gpu_request})
        shape["pods"] = [{"pod_id": pod_id, "status": status} for pod_id, status in pods]
    return shape


def schedule_shape(schedule: Schedule) -> Json:
    """A schedule as the answers show it."""
    return {"schedule": schedule.text, "human_readable_schedule": describe(schedule.text)}


def options_shape(deployment: Deployment) -> Json:
    """What goes with a schedule; `schedule_catch_up_s` is null where the setting of that name holds."""
    assert deployment.schedule is not None
    options = deployment.schedule_options
    return {
        "schedule_time_zone": deployment.schedule.time_zone,
        "schedule_jitter_s": options.jitter_s,
        "schedule_paused_until": to_wire(options.paused_until),
        "schedule_overlap": options.overlap.value,
        "schedule_catch_up_s": options.catch_up_s,
    }


def input_mapping_shape(mapping: InputMapping) -> Json:
    """Where an input of a deployment comes from."""
    item: Json = {
        "pipeline_input_name": mapping.input_name,
        "data_type": mapping.data_type.value,
        "description": mapping.description,
        SOURCE_KEYS[mapping.source]: _source_value(mapping),
    }
    return item | _endpoint_rules(mapping)


def output_mapping_shape(mapping: OutputMapping) -> Json:
    """Where an output of a deployment goes."""
    return {
        "pipeline_output_name": mapping.output_name,
        "data_type": mapping.data_type.value,
        "description": mapping.description,
        DESTINATION_KEYS[mapping.destination]: True if mapping.destination is Destination.IS_NULL else mapping.at,
    }


def _source_value(mapping: InputMapping) -> Any:
    return True if mapping.source is Source.IS_NULL else mapping.at


def _endpoint_rules(mapping: InputMapping) -> Json:
    if mapping.source is not Source.ENDPOINT:
        return {}
    return {"is_required": mapping.is_required} | _without_none({"default_value": mapping.default_value})


def deployment_row(deployment: Deployment) -> Json:
    """An item of `GET /deployments`."""
    return {
        "name": deployment.name,
        "pipeline_name": deployment.pipeline_name,
        "execution_rule": deployment.rule.value,
        "mode": deployment.mode.value,
        "is_enabled": deployment.is_enabled,
        "created_at": to_wire(deployment.created_at),
        "status": deployment.status.value,
    }


def execution_row(execution: Execution | ExecutionSummary) -> Json:
    """An item of `GET /pipelines/{name}/executions`."""
    row = {
        "execution_id": execution.id,
        "status": execution.status.value,
        "created_at": to_wire(execution.created_at),
        "created_by": execution.created_by,
        "end_date": to_wire(execution.ended_at),
        "pipeline_name": execution.pipeline_name,
        "deployment_name": execution.deployment_name,
    }
    return row if execution.due_at is None else row | {"due_at": to_wire(execution.due_at)}


def execution_shape(
    execution: Execution,
    pipeline: Pipeline,
    inputs: Mapping[str, Any] | None,
    outputs: Mapping[str, Any] | None,
) -> Json:
    """`GET /executions/{id}`; without values where those are None."""
    config = pipeline.declaration.container_config
    return execution_row(execution) | {
        "steps": [
            {
                "name": execution.pipeline_name,
                "status": execution.status.value,
                "start_date": to_wire(execution.started_at),
                "end_date": to_wire(execution.ended_at),
                "commit_id": pipeline.commit_id,
                "repository_url": config.repository_url,
                "repository_branch": config.repository_branch,
                "requirements_path": config.requirements_path,
                "origin": pipeline.origin.value,
            }
        ],
        "inputs": [_execution_input(mapping, inputs) for mapping in execution.inputs_mapping],
        "outputs": execution_outputs(execution, outputs),
    }


def attempts_shape(execution: Execution, before: Sequence[Attempt]) -> Json:
    """The keys of one that was tried again; the last attempt is what the execution itself says."""
    if not before:
        return {}
    last = Attempt(execution.attempt, execution.status, execution.started_at, execution.ended_at, execution.failure)
    waits = {"retry_at": to_wire(execution.retry_at)} if execution.status is ExecutionStatus.PENDING else {}
    return {"attempts": [_attempt_row(one) for one in (*before, last)]} | waits


def _attempt_row(attempt: Attempt) -> Json:
    row = {
        "number": attempt.number,
        "status": attempt.status.value,
        "start_date": to_wire(attempt.started_at),
        "end_date": to_wire(attempt.ended_at),
    }
    return row if attempt.failure is None else row | {"failure": asdict(attempt.failure)}


def cancelled_shape(execution: Execution) -> Json:
    """`POST /executions/{id}/cancel`."""
    assert execution.failure is not None
    return {
        "execution_id": execution.id,
        "status": execution.status.value,
        "failure": asdict(execution.failure),
    }


def failure_shape(failure: Failure, last_lines: Sequence[LogLine]) -> Json:
    """Why an execution did not succeed or a pod ended, with what was printed last."""
    lines = [{"stream": line.stream, "message": _shortened(line.message)} for line in last_lines]
    return asdict(failure) | {"last_log_lines": lines}


def pod_failure_shape(failed: PodFailure, last_lines: Sequence[LogLine]) -> Json:
    """The failure of a pod."""
    return {"pod_id": failed.pod_id, "at": to_wire(failed.at)} | failure_shape(failed.failure, last_lines)


def _shortened(message: str) -> str:
    return message if len(message) <= LINE_LENGTH_MAX else f"{message[:LINE_LENGTH_MAX]}…"


def _execution_input(mapping: InputMapping, values: Mapping[str, Any] | None) -> Json:
    item: Json = {
        "pipeline_input_name": mapping.input_name,
        "data_type": mapping.data_type.value,
        "mapping_type": mapping.source.value,
        "mapping_value": {SOURCE_KEYS[mapping.source]: _source_value(mapping)} | _endpoint_rules(mapping),
    }
    if values is not None and mapping.input_name in values:
        item["value"] = values[mapping.input_name]
    return item


def execution_outputs(execution: Execution, values: Mapping[str, Any] | None) -> list[Json]:
    """The `outputs` of an execution."""
    items = []
    for mapping in execution.outputs_mapping:
        at = True if mapping.destination is Destination.IS_NULL else execution.destination_of(mapping)
        item: Json = {
            "pipeline_output_name": mapping.output_name,
            "data_type": mapping.data_type.value,
            "mapping_type": mapping.destination.value,
            "mapping_value": {DESTINATION_KEYS[mapping.destination]: at},
        }
        if values is not None and mapping.output_name in values and mapping.destination is not Destination.IS_NULL:
            item["value"] = values[mapping.output_name]
        items.append(item)
    return items


def log_row(line: LogLine) -> Json:
    """A line of a pipeline or an execution."""
    return {"timestamp": to_wire(line.at), "message": line.message, "stream": line.stream}


def deployment_log_row(line: LogLine) -> Json:
    """A line of a deployment."""
    return log_row(line) | {"pod_id": line.pod_id, "type": "deployment"}


def _without_none(shape: Json) -> Json:
    return {key: value for key, value in shape.items() if value is not None}
