"""Routes of deployments."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Person, Place, Services
from pipeyard.api.deployment_schemas import (
    BACKFILL,
    BACKFILLED,
    CHOSEN_TOKEN,
    CREATED,
    CREATED_PERIODIC,
    DELETED,
    DEPLOYMENT,
    DEPLOYMENT_LINKS,
    DEPLOYMENTS,
    EXCHANGE,
    EXCHANGED,
    FIRE_TIMES,
    INPUTS,
    INPUTS_FORM,
    NEW_ENDPOINT,
    NEW_PERIODIC,
    NEW_TOKEN,
    UPDATE,
)
from pipeyard.api.execution_schemas import LATEST
from pipeyard.api.generations import settled_deployment
from pipeyard.api.json_answers import json_answer
from pipeyard.api.log_schemas import DEPLOYMENT_LOG, LOG_RANGE
from pipeyard.api.log_streams import FOLLOW, log_stream
from pipeyard.api.operations import (
    EXECUTION_HEADER,
    FORM,
    JSON,
    MULTIPART,
    QUERY_FLAG,
    Answer,
    Name,
    accepted,
    operation,
)
from pipeyard.api.queries import (
    check_query,
    check_whole,
    read_flag,
    read_instant,
    read_log_range,
    read_object,
    read_whole,
)
from pipeyard.api.shapes import deployment_log_row, deployment_row, deployment_shape, pod_failure_shape, schedule_shape
from pipeyard.api.triggers import read_trigger
from pipeyard.api.uploads import read_form
from pipeyard.clock import to_wire
from pipeyard.domain.deployments import Deployment, DeploymentStatus
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.names import check_keys
from pipeyard.errors import InvalidInputError
from pipeyard.services.deployments import PREVIEW_MAX
from pipeyard.services.fires import BACKFILL_DEFAULT, BACKFILL_MAX, Backfill
from pipeyard.services.identities import Caller
from pipeyard.wire import EXECUTION_ID_HEADER

PREVIEW_DEFAULT = 5

router = APIRouter(tags=["Deployments"])


@router.post(
    "/endpoints",
    summary="Create an endpoint deployment",
    **operation(
        {
            201: Answer("Up", CREATED, links=DEPLOYMENT_LINKS),
            206: Answer("Accepted, its pod is starting", CREATED, links=DEPLOYMENT_LINKS),
        },
        body=NEW_ENDPOINT,
    ),
)
async def create_endpoint(request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Name and token: 201 when it can be called at once, 206 while its pod is starting (wire.md 6.2).

    Clients before 0.52 are held for 201 instead.
    """
    fields = await read_object(request)
    created = await hub.deployments.create(environment.id, caller.user_id, fields, Rule.ENDPOINT)
    deployment = await settled_deployment(request, hub, created)
    return json_answer(
        {"name": deployment.name, "endpoint_token": deployment.endpoint_token}, _created_status(deployment)
    )


@router.post(
    "/periodic-deployment",
    summary="Create a periodic deployment",
    **operation(
        {201: ("It fires from now on", CREATED_PERIODIC), 206: ("As 201; its pod is starting", CREATED_PERIODIC)},
        body=NEW_PERIODIC,
    ),
)
async def create_periodic_deployment(request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Five cron fields, in UTC unless there is a time zone; every input and output of the pipeline must be mapped."""
    fields = await read_object(request)
    created = await hub.deployments.create(environment.id, caller.user_id, fields, Rule.PERIODIC)
    deployment = await settled_deployment(request, hub, created)
    assert deployment.schedule is not None
    return json_answer({"name": deployment.name} | schedule_shape(deployment.schedule), _created_status(deployment))


def _created_status(deployment: Deployment) -> int:
    return 201 if deployment.status is DeploymentStatus.UP else 206


@router.post(
    "/endpoints/{name}/generate-new-token",
    summary="Replace the token of an endpoint",
    **operation({200: ("The new one", NEW_TOKEN)}, bodies={FORM: CHOSEN_TOKEN, MULTIPART: CHOSEN_TOKEN}),
)
async def generate_endpoint_token(
    name: Name, request: Request, hub: Hub, environment: Place, caller: Person
) -> Response:
    """The form field `endpoint_token` chooses it. The old token dies at once."""
    async with read_form(request) as form:
        chosen = form.text("endpoint_token")
        deployment = await hub.deployments.renew_token(environment.id, caller.user_id, name, chosen)
    return json_answer({"endpoint_token": deployment.endpoint_token})


@router.get("/deployments", summary="List deployments", **operation({200: ("All of them", DEPLOYMENTS)}))
async def list_deployments(hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Oldest first."""
    return json_answer([deployment_row(deployment) for deployment in await hub.deployments.list(environment.id)])


@router.get(
    "/deployments/{name}",
    summary="One deployment",
    **operation({200: ("The deployment", DEPLOYMENT)}, query={"wait_for_completion": QUERY_FLAG}),
)
async def get_deployment(name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """With `wait_for_completion=true` the answer is held until its status is settled."""
    if read_flag(request, "wait_for_completion"):
        deployment = await hub.deployments.wait_until_settled(environment.id, name, hub.settings.wait_hold_s)
    else:
        deployment = await hub.deployments.get(environment.id, name)
    return await _answer(hub, deployment, caller)


@router.patch(
    "/deployments/{name}",
    summary="Update a deployment",
    **operation({200: ("The deployment, updated", DEPLOYMENT)}, body=UPDATE),
)
async def update_deployment(name: Name, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """One property at a time, its schedule with all options.

    Disabling lets what was accepted end, then frees the pod.

    Mappings that are not mentioned stay; of those that are, constants and data store paths can change, not the type.
    What was accepted keeps the mappings it had then.
    """
    fields = await read_object(request)
    return await _answer(hub, await hub.deployments.update(environment.id, caller.user_id, name, fields), caller)


@router.get(
    "/deployments/{name}/fire-times",
    summary="When a periodic deployment fires next",
    **operation(
        {200: ("The next ticks", FIRE_TIMES)},
        query={"limit": {"type": "integer", "minimum": 1, "maximum": PREVIEW_MAX, "default": PREVIEW_DEFAULT}},
    ),
)
async def get_fire_times(name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """When its next ticks are due, without their jitter: in UTC, and as the clocks of its time zone show it."""
    check_query(request, ("limit",))
    count = read_whole(request, "limit", 1, PREVIEW_MAX, PREVIEW_DEFAULT)
    times = await hub.deployments.next_fire_times(environment.id, name, count)
    return json_answer({"fire_times": [{"due_at": to_wire(at), "local_time": at.isoformat()} for at in times]})


@router.post(
    "/deployments/{name}/exchange",
    summary="Exchange a deployment with another",
    **operation({200: ("The deployment that has the name now", EXCHANGED)}, body=EXCHANGE),
)
async def exchange_deployments(name: Name, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Both trade their names, endpoint paths and tokens in one commit; what each has accepted, it runs.

    The results of earlier calls stay where their callers look for them: at the path, with the token.
    """
    fields = await read_object(request)
    check_keys("", fields, ("with",))
    now_there = await hub.deployments.exchange(environment.id, caller.user_id, name, fields.get("with"))
    return json_answer({"name": now_there.name, "pipeline": {"name": now_there.pipeline_name}})


@router.delete("/deployments/{name}", summary="Delete a deployment", **operation({200: ("What went", DELETED)}))
async def delete_deployment(name: Name, hub: Hub, environment: Place, caller: Person) -> Response:
    """With its executions, logs and pods."""
    deployment = await hub.deployments.delete(environment.id, name)
    return json_answer({"name": deployment.name, "execution_rule": deployment.rule.value})


@router.post(
    "/deployments/{name}/logs",
    summary="The log of a deployment",
    **operation({200: ("Its lines", DEPLOYMENT_LOG)}, body=LOG_RANGE),
)
async def read_deployment_logs(
    name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """What its pods printed outside of executions, and what the platform did with them."""
    lines = await hub.deployments.read_logs(environment.id, name, await read_log_range(request))
    return json_answer([deployment_log_row(line) for line in lines])


@router.get("/deployments/{name}/logs", summary="The log of a deployment, as it comes", **FOLLOW)
async def follow_deployment_logs(
    name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """One JSON object a line; with `follow=true` until the deployment is deleted."""
    batches = await hub.deployments.follow_logs(environment.id, name, live=read_flag(request, "follow"))
    return log_stream(batches, deployment_log_row)


@router.get(
    "/deployments/{name}/executions/latest",
    summary="The latest execution of a deployment",
    **operation({200: ("Its id, or null", LATEST)}),
)
async def get_latest_deployment_execution(name: Name, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Its id, or null."""
    deployment = await hub.deployments.get(environment.id, name)
    return json_answer({"execution_id": await hub.executions.latest_of_deployment(deployment.id)})


@router.post(
    "/deployments/{name}/executions",
    summary="Trigger an execution with an access token",
    **operation({202: accepted("Queued", **EXECUTION_HEADER)}, bodies={JSON: INPUTS, MULTIPART: INPUTS_FORM}),
)
async def trigger_deployment(name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """The same bodies as the endpoint's own URL; answers at once with the execution's id."""
    deployment = await hub.deployments.get(environment.id, name)
    if deployment.rule is not Rule.ENDPOINT:
        raise InvalidInputError(
            "deployment",
            f'"{name}" is periodic, its schedule triggers it',
            f"POST {request.url.path.removesuffix('executions')}run-now",
        )
    async with read_trigger(request, deployment) as sent:
        execution_id = await hub.executions.trigger(deployment, sent)
    return json_answer({"execution_id": execution_id}, 202, {EXECUTION_ID_HEADER: execution_id})


@router.post(
    "/deployments/{name}/run-now",
    summary="Run a periodic deployment now",
    **operation({202: accepted("Queued", **EXECUTION_HEADER)}),
)
async def run_deployment_now(name: Name, hub: Hub, environment: Place, caller: Person) -> Response:
    """An execution with its mappings, beside those of its schedule, which goes on as it did."""
    deployment = await hub.deployments.get(environment.id, name)
    execution_id = await hub.fires.run_now(deployment, caller.user_id)
    return json_answer({"execution_id": execution_id}, 202, {EXECUTION_ID_HEADER: execution_id})


@router.post(
    "/deployments/{name}/backfill",
    summary="Run the fire times of a range that were never run",
    **operation({202: ("Those that are queued, the oldest first", BACKFILLED)}, body=BACKFILL),
)
async def backfill_deployment(name: Name, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Those from `from` on and before `to`: missed, skipped, or before its creation. What was run is not run again.

    A range of more than `max_executions` fire times is refused with their number.
    """
    fields = await read_object(request)
    check_keys("", fields, ("from", "to", "max_executions"))
    most = check_whole("max_executions", fields.get("max_executions", BACKFILL_DEFAULT), 1, BACKFILL_MAX)
    wanted = Backfill(read_instant(fields, "from"), read_instant(fields, "to"), most)
    deployment = await hub.deployments.get(environment.id, name)
    ticks = await hub.fires.backfill(deployment, caller.user_id, wanted)
    rows = [{"execution_id": tick.execution.id, "due_at": to_wire(tick.due_at)} for tick in ticks]
    return json_answer({"executions": rows}, 202)


async def _answer(hub: Services, deployment: Deployment, caller: Caller) -> Response:
    is_person = caller.pod_of is None
    shape = deployment_shape(deployment, hub.pods_of(deployment.id), with_token=is_person)
    if deployment.mode is Mode.LOW_LATENCY:
        failed = deployment.last_pod_failure
        lines = await hub.deployments.read_last_lines(deployment)
        shape["pending_reason"] = hub.lack(deployment.id)
        shape["last_pod_failure"] = None if failed is None else pod_failure_shape(failed, lines)
    return json_answer(shape)
