"""What an environment says of itself, and its variables."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

import pipeyard
from pipeyard.api.context import AnyCaller, Hub, Place
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import FLAG, INSTANT, TEXT, VARIABLE, VariableName, array, operation, record
from pipeyard.api.queries import read_object
from pipeyard.clock import to_wire

router = APIRouter(tags=["Environment"])

_COMPONENT = record({"status": TEXT}, {"info": TEXT})
_COMPONENTS = {"type": "object", "additionalProperties": _COMPONENT}
_SETTING = record({"name": VARIABLE, "value": TEXT})


@router.get(
    "/health",
    summary="Whether the platform serves",
    **operation(
        {200: ("By component", _COMPONENTS), 503: ("One of them is down: nothing new is accepted", _COMPONENTS)}
    ),
)
async def get_health(hub: Hub, environment: Place) -> Response:
    """One entry per component; `store` is down, with the reason, while the disk takes no writes. Public."""
    components = await hub.health()
    is_down = any(component["status"] == "down" for component in components.values())
    body = {"environment_id": {"status": "up", "info": environment.id}} | components
    return json_answer(body, 503 if is_down else 200)


@router.get(
    "/environment-info",
    summary="What this environment can do",
    **operation(
        {
            200: (
                "What it can do",
                record(
                    {
                        "environment_id": TEXT,
                        "environment_status": TEXT,
                        "version": TEXT,
                        "gpu_enabled": FLAG,
                        "supported_base_images": {"type": "object", "additionalProperties": array(TEXT)},
                    }
                ),
            )
        }
    ),
)
async def get_environment_info(hub: Hub, environment: Place) -> Response:
    """Its id, the platform's version, the languages of pipelines. Public."""
    tags = [language.removeprefix("python:") for language in await hub.languages()]
    return json_answer(
        {
            "environment_id": environment.id,
            "environment_status": "ready",
            "version": pipeyard.__version__,
            "gpu_enabled": bool(hub.deployments.supply.gpu_ids),
            "supported_base_images": {"python": tags},
        }
    )


@router.get(
    "/environment-summary",
    summary="The state of the environment",
    **operation({200: ("Its state", record({"environment_status": TEXT, "environment_status_updated_at": INSTANT}))}),
)
async def get_environment_summary(environment: Place, caller: AnyCaller) -> Response:
    """An environment of one machine is ready as soon as it answers."""
    return json_answer(
        {"environment_status": "ready", "environment_status_updated_at": to_wire(environment.created_at)}
    )


@router.put(
    "/environment-variables",
    summary="Create or update environment variables",
    **operation(
        {204: ("Stored", None)},
        body={
            "type": "object",
            "required": ["environment_variables"],
            "properties": {"environment_variables": {"type": "object", "propertyNames": VARIABLE, "minProperties": 1}},
        },
    ),
)
async def set_variables(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """`{"environment_variables": {NAME: value}}`; those not named stay. What is not text is kept as its JSON."""
    await hub.variables.set(environment.id, (await read_object(request)).get("environment_variables"))
    return Response(status_code=204)


@router.get(
    "/environment-variables",
    summary="List environment variables",
    **operation({200: ("All of them", array(_SETTING))}),
)
async def list_variables(hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Names and values."""
    variables = await hub.variables.list(environment.id)
    return json_answer([{"name": name, "value": value} for name, value in variables.items()])


@router.delete(
    "/environment-variables/{name}",
    summary="Delete an environment variable",
    **operation({200: ("What it was", _SETTING)}),
)
async def delete_variable(name: VariableName, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Its name and the value it had."""
    return json_answer({"name": name, "value": await hub.variables.delete(environment.id, name)})
