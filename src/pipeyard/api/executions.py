"""Routes of executions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Person, Place
from pipeyard.api.execution_schemas import (
    CANCELLED,
    DELETED,
    EXECUTION,
    EXECUTIONS,
    OUTPUTS,
    RUN,
    RUN_FORM,
    RUN_MULTIPART,
    STATUS,
    VALUE,
)
from pipeyard.api.json_answers import json_answer
from pipeyard.api.log_schemas import EXECUTION_LOG_RANGE, LOG
from pipeyard.api.log_streams import FOLLOW, log_stream
from pipeyard.api.operations import (
    EXECUTION_ID,
    FAILED,
    FORM,
    JSON,
    MULTIPART,
    NAME,
    QUERY_FLAG,
    WHOLE,
    ExecutionId,
    Name,
    accepted,
    array,
    moved,
    operation,
)
from pipeyard.api.queries import (
    content_type,
    parse_flag,
    parse_json,
    read_flag,
    read_log_range,
    read_object,
    read_whole,
)
from pipeyard.api.shapes import (
    attempts_shape,
    cancelled_shape,
    execution_outputs,
    execution_row,
    execution_shape,
    failure_shape,
    log_row,
)
from pipeyard.api.uploads import Form, read_form
from pipeyard.api.value_answers import value_answer
from pipeyard.domain.executions import ExecutionFilter, ExecutionStatus
from pipeyard.domain.names import check_keys, shown
from pipeyard.domain.pipeline_declarations import RUN_PARTS
from pipeyard.errors import InvalidInputError
from pipeyard.services.executions import SentInputs, raise_unless_succeeded

router = APIRouter(tags=["Executions"])


@router.post(
    "/pipelines/{name}/run",
    summary="Run a pipeline",
    **operation({202: accepted("Queued")}, bodies={JSON: RUN, FORM: RUN_FORM, MULTIPART: RUN_MULTIPART}),
)
async def run_pipeline(name: Name, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """A form with `json_inputs`, `inputs_mapping`, `outputs_mapping` as JSON text and a file part per file input."""
    pipeline = await hub.pipelines.get_ready(environment.id, name)
    hub.executions.check_room(None)
    if content_type(request) == "application/json":
        fields = await read_object(request)
        check_keys("", fields, RUN_PARTS)
        sent = SentInputs(_object(fields.get("json_inputs")))
        execution_id = await hub.executions.run(
            pipeline, caller.user_id, sent, fields.get("inputs_mapping"), fields.get("outputs_mapping")
        )
        return _accepted(execution_id)
    async with read_form(request) as form:
        check_keys("", dict(form.texts), RUN_PARTS)
        sent = SentInputs(_object(_json_text(form, "json_inputs")), form.files)
        execution_id = await hub.executions.run(
            pipeline, caller.user_id, sent, _json_text(form, "inputs_mapping"), _json_text(form, "outputs_mapping")
        )
    return _accepted(execution_id)


def _accepted(execution_id: str) -> Response:
    return json_answer({"execution_id": execution_id}, 202)


def _json_text(form: Form, name: str) -> Any:
    text = form.text(name)
    if text is None:
        return None
    try:
        return parse_json(name, text)
    except ValueError:
        raise InvalidInputError(name, "is not JSON", "JSON text") from None


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInputError("json_inputs", f"must be a JSON object, got {type(value).__name__}")
    return value


_STATUSES = [status.value for status in ExecutionStatus]
LIST_LIMIT = 1000


@router.get(
    "/executions",
    summary="List executions",
    **operation(
        {200: ("Newest first", EXECUTIONS)},
        query={
            "pipeline_name": NAME,
            "deployment_name": NAME,
            "status": STATUS,
            "before": EXECUTION_ID | {"description": "the id of an execution: only those accepted before it"},
            "limit": WHOLE | {"minimum": 1, "maximum": LIST_LIMIT, "default": 100},
        },
    ),
)
async def list_executions(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Those of the environment, of a pipeline (its deployments' included), of a deployment; `before` pages on."""
    query = request.query_params
    pipeline, deployment = query.get("pipeline_name"), query.get("deployment_name")
    chosen = ExecutionFilter(
        environment.id,
        pipeline_id=None if pipeline is None else (await hub.pipelines.get(environment.id, pipeline)).id,
        deployment_id=None if deployment is None else (await hub.deployments.get(environment.id, deployment)).id,
        status=_status(query.get("status")),
        before=query.get("before"),
        limit=read_whole(request, "limit", 1, LIST_LIMIT, 100),
    )
    return json_answer([execution_row(one) for one in await hub.executions.list(chosen)])


def _status(text: str | None) -> ExecutionStatus | None:
    if text is None:
        return None
    if text not in _STATUSES:
        raise InvalidInputError("status", f"{shown(text)} is not a status", ", ".join(_STATUSES))
    return ExecutionStatus(text)


@router.get(
    "/executions/{execution_id}",
    summary="One execution",
    **operation({200: ("The execution", EXECUTION)}, query={"include_io_values": QUERY_FLAG | {"default": True}}),
)
async def get_execution(
    execution_id: ExecutionId, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """With its values, unless `include_io_values=false`."""
    execution = await hub.executions.get(environment.id, execution_id)
    pipeline = await hub.pipelines.get(environment.id, execution.pipeline_name)
    inputs = outputs = None
    if parse_flag("include_io_values", request.query_params.get("include_io_values", "true")):
        inputs = await hub.executions.input_values(execution.id)
        outputs = await hub.executions.output_values(execution.id)
    shape = execution_shape(execution, pipeline, inputs, outputs)
    if execution.failure is not None:
        shape["failure"] = failure_shape(execution.failure, await hub.executions.read_last_lines(execution))
    if execution.status is ExecutionStatus.PENDING:
        shape["pending_reason"] = hub.pending_reason(execution.id, execution.deployment_id)
    return json_answer(shape | attempts_shape(execution, await hub.executions.attempts(execution)))


@router.get(
    "/executions/{execution_id}/outputs",
    summary="The outputs of an execution",
    **operation(
        {200: ("It has succeeded", OUTPUTS), 307: moved("It is open: ask again"), 500: FAILED},
        query={"wait_for_completion": QUERY_FLAG, "wait_for_results": QUERY_FLAG},
    ),
)
async def get_execution_outputs(
    execution_id: ExecutionId, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """200 once it has succeeded, 500 with the reason once it has not, 307 to the same URL as long as it is open.

    With `wait_for_completion=true` the answer is held for it (older clients say `wait_for_results`).
    """
    waits = read_flag(request, "wait_for_completion", "wait_for_results")
    hold_s = hub.settings.wait_hold_s if waits else 0.0
    execution = await hub.executions.wait_until_final(environment.id, execution_id, hold_s)
    if execution is None:
        # Only the status counts for clients; the Location serves everybody else.
        return json_answer({"execution_id": execution_id}, 307, {"Location": str(request.url)})
    raise_unless_succeeded(execution)
    values = await hub.executions.output_values(execution.id)
    return json_answer({"outputs": execution_outputs(execution, values)})


@router.get("/executions/{execution_id}/outputs/{name}", summary="One output value", **operation({200: VALUE}))
async def get_execution_output(
    execution_id: ExecutionId, name: Name, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """The bare JSON value, or the bytes of a file; null when there is none."""
    execution = await hub.executions.get(environment.id, execution_id)
    return value_answer(await hub.executions.read_output(execution, name))


@router.get("/executions/{execution_id}/inputs/{name}", summary="One input value", **operation({200: VALUE}))
async def get_execution_input(
    execution_id: ExecutionId, name: Name, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """The bare JSON value, or the bytes of a file; null when there is none."""
    execution = await hub.executions.get(environment.id, execution_id)
    return value_answer(await hub.executions.read_input(execution, name))


@router.post(
    "/executions/{execution_id}/logs",
    summary="The log of an execution",
    **operation({200: ("A list with one list: its lines", array(LOG))}, body=EXECUTION_LOG_RANGE),
)
async def read_execution_logs(
    execution_id: ExecutionId, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """A list with one list of lines: of all attempts, or of one."""
    lines = await hub.executions.read_logs(environment.id, execution_id, await read_log_range(request, "attempt"))
    return json_answer([[log_row(line) for line in lines]])


@router.get("/executions/{execution_id}/logs", summary="The log of an execution, as it comes", **FOLLOW)
async def follow_execution_logs(
    execution_id: ExecutionId, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """One JSON object a line; with `follow=true` until the execution has ended."""
    batches = await hub.executions.follow_logs(environment.id, execution_id, live=read_flag(request, "follow"))
    return log_stream(batches, log_row)


@router.post(
    "/executions/{execution_id}/cancel",
    summary="Cancel an execution",
    **operation({200: ("How it has ended now", CANCELLED)}),
)
async def cancel_execution(execution_id: ExecutionId, hub: Hub, environment: Place, caller: Person) -> Response:
    """It is Failed with the kind `cancelled` from now on, and never runs if it did not; 409 when it has ended before.

    What runs gets SIGTERM and is killed after a grace; in low latency mode the function is ended and its pod goes on.
    """
    execution = await hub.executions.cancel(environment.id, execution_id, caller.user_id)
    return json_answer(cancelled_shape(execution))


@router.delete("/executions/{execution_id}", summary="Delete an execution", **operation({200: ("What went", DELETED)}))
async def delete_execution(execution_id: ExecutionId, hub: Hub, environment: Place, caller: Person) -> Response:
    """With its values, files and log. Refused while it is open."""
    await hub.executions.delete(environment.id, execution_id)
    return json_answer({"execution_id": execution_id})
