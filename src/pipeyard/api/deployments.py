"""Routes of deployments."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Person, Place, Services
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import TEXT, operation, record
from pipeyard.api.queries import read_flag, read_log_range, read_object
from pipeyard.api.shapes import deployment_log_row, deployment_row, deployment_shape
from pipeyard.api.triggers import read_trigger
from pipeyard.api.uploads import read_form
from pipeyard.domain.deployments import Deployment, DeploymentStatus
from pipeyard.domain.names import check_keys
from pipeyard.errors import InvalidInputError
from pipeyard.services.identities import Caller
from pipeyard.wire import EXECUTION_ID_HEADER

router = APIRouter(tags=["Deployments"])

ADDRESS = record({"name": TEXT, "pipeline": record({"name": TEXT})})


@router.post("/endpoints", summary="Create an endpoint deployment")
async def create_endpoint(request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Name and token: 201 when it can be called at once, 206 while its pod is starting (wire.md 6.2)."""
    fields = await read_object(request)
    deployment = await hub.deployments.create_endpoint(environment.id, caller.user_id, fields)
    is_up = deployment.status is DeploymentStatus.UP
    return json_answer({"name": deployment.name, "endpoint_token": deployment.endpoint_token}, 201 if is_up else 206)


@router.post("/periodic-deployment", summary="Create a periodic deployment")
async def create_periodic(environment: Place, caller: Person) -> Response:
    """Not in this version."""
    raise InvalidInputError("execution_rule", "periodic deployments are not supported by this version", "endpoint")


@router.post("/endpoints/{name}/generate-new-token", summary="Replace the token of an endpoint")
async def generate_token(name: str, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """The form field `endpoint_token` chooses it. The old token dies at once."""
    async with read_form(request) as form:
        chosen = form.text("endpoint_token")
        deployment = await hub.deployments.renew_token(environment.id, caller.user_id, name, chosen)
    return json_answer({"endpoint_token": deployment.endpoint_token})


@router.get("/deployments", summary="List deployments")
async def list_deployments(hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Oldest first."""
    return json_answer([deployment_row(deployment) for deployment in await hub.deployments.list(environment.id)])


@router.get("/deployments/{name}", summary="One deployment")
async def get_deployment(name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """With `wait_for_completion=true` the answer is held until its status is settled."""
    if read_flag(request, "wait_for_completion"):
        deployment = await hub.deployments.wait_until_settled(environment.id, name, hub.settings.wait_hold_s)
    else:
        deployment = await hub.deployments.get(environment.id, name)
    return _answer(hub, deployment, caller)


@router.patch("/deployments/{name}", summary="Enable or disable a deployment")
async def update_deployment(name: str, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """`{"is_enabled": bool}`. Disabling lets what was accepted end, then frees the pod."""
    fields = await read_object(request)
    return _answer(hub, await hub.deployments.update(environment.id, caller.user_id, name, fields), caller)


@router.post(
    "/deployments/{name}/exchange",
    summary="Exchange a deployment with another",
    **operation({200: ("The deployment that has the name now", ADDRESS)}, body=record({"with": TEXT})),
)
async def exchange_deployments(name: str, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Both trade their names, endpoint paths and tokens in one commit; what each has accepted stays with it."""
    fields = await read_object(request)
    check_keys("", fields, ("with",))
    now_there = await hub.deployments.exchange(environment.id, caller.user_id, name, fields.get("with"))
    return json_answer({"name": now_there.name, "pipeline": {"name": now_there.pipeline_name}})


@router.delete("/deployments/{name}", summary="Delete a deployment")
async def delete_deployment(name: str, hub: Hub, environment: Place, caller: Person) -> Response:
    """With its executions, logs and pods."""
    deployment = await hub.deployments.delete(environment.id, name)
    return json_answer({"name": deployment.name, "execution_rule": deployment.rule.value})


@router.post("/deployments/{name}/logs", summary="The log of a deployment")
async def read_deployment_logs(
    name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """What its pods printed outside of executions, and what the platform did with them."""
    lines = await hub.deployments.read_logs(environment.id, name, await read_log_range(request))
    return json_answer([deployment_log_row(line) for line in lines])


@router.get("/deployments/{name}/executions/latest", summary="The latest execution of a deployment")
async def get_latest(name: str, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Its id, or null."""
    deployment = await hub.deployments.get(environment.id, name)
    return json_answer({"execution_id": await hub.executions.latest_of_deployment(deployment.id)})


@router.post("/deployments/{name}/executions", summary="Trigger an execution with the SDK token")
async def trigger(name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """The same bodies as the endpoint's own URL; answers at once with the execution's id."""
    deployment = await hub.deployments.get(environment.id, name)
    async with read_trigger(request, deployment) as sent:
        execution_id = await hub.executions.trigger(deployment, sent)
    return json_answer({"execution_id": execution_id}, 202, {EXECUTION_ID_HEADER: execution_id})


def _answer(hub: Services, deployment: Deployment, caller: Caller) -> Response:
    is_person = caller.pod_of is None
    return json_answer(deployment_shape(deployment, hub.pods_of(deployment.id), with_token=is_person))
