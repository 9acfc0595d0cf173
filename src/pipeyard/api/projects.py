"""Routes of project settings."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Person, Place
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import FLAG, RAM, TEXT, array, maybe, operation, record
from pipeyard.api.queries import read_object
from pipeyard.api.shapes import config_shape
from pipeyard.domain.projects import Project

router = APIRouter(tags=["Environment"])

_SETTINGS = {
    "language": TEXT,
    "repository_url": maybe(TEXT),
    "repository_branch": maybe(TEXT),
    "requirements_path": maybe(TEXT),
    "included_folders": maybe(array(TEXT)),
    "system_dependencies": array(TEXT),
}
_PROJECT = record(_SETTINGS | {"has_repository_deploy_key": FLAG}, {"ram_request": RAM})
_CHANGEABLE = _SETTINGS | {"repository_deploy_key": TEXT, "ram_request": RAM}
_CHANGES = record({}, {key: maybe(schema) for key, schema in _CHANGEABLE.items()})


@router.get(
    "/project-information",
    summary="Defaults for new pipelines",
    **operation({200: ("The settings", _PROJECT)}),
)
async def get_project(hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """What a pipeline gets where its `container_config` says nothing. Of the deploy key, whether there is one."""
    return json_answer(_shape(await hub.projects.get(environment.id)))


@router.put(
    "/project-information",
    summary="Change defaults for new pipelines",
    **operation({200: ("The settings now", _PROJECT)}, body=_CHANGES),
)
async def change_project(request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Those that are not named stay; null is the built-in default again. Pipelines that exist do not change."""
    return json_answer(_shape(await hub.projects.change(environment.id, await read_object(request))))


def _shape(project: Project) -> dict[str, Any]:
    shape = config_shape(project.config) | {"has_repository_deploy_key": project.deploy_key is not None}
    del shape["dockerfile_path"]  # a file of one pipeline's code, never a default
    return shape
