"""Routes of pipelines."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from pipeyard.api.context import AnyCaller, Hub, Person, Place, environment_url
from pipeyard.api.forms import decode_pipeline_form
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import JSON
from pipeyard.api.queries import content_type, read_flag, read_log_range, read_object
from pipeyard.api.shapes import execution_row, log_row, pipeline_row, pipeline_shape
from pipeyard.api.uploads import read_form
from pipeyard.domain.pipelines import Origin
from pipeyard.errors import ConflictError, NotFoundError
from pipeyard.wire import API_PREFIX

router = APIRouter(tags=["Pipelines"])

ARCHIVE_PART = "step_file"


@router.post("/pipelines", summary="Create a pipeline")
async def create_pipeline(request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """A form, with the archive `step_file` or else from a git repository; or JSON, from a template (wire.md 3.1).

    206 while it is being built, the pipeline in either case.
    """
    if content_type(request) == JSON:
        new = await hub.origins.read_template(environment.id, await read_object(request))
        pipeline = await hub.pipelines.create(environment.id, caller.user_id, new)
    else:
        async with read_form(request) as form:  # its files are there as long as this lasts
            fields = decode_pipeline_form(form.texts)
            new = await hub.origins.read_form(environment.id, fields, form.files.get(ARCHIVE_PART))
            pipeline = await hub.pipelines.create(environment.id, caller.user_id, new)
    return json_answer(pipeline_shape(pipeline), 206)


@router.get("/pipelines", summary="List pipelines")
async def list_pipelines(hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Name, date and status of each, oldest first."""
    return json_answer([pipeline_row(pipeline) for pipeline in await hub.pipelines.list(environment.id)])


@router.get("/pipelines/{name}", summary="One pipeline")
async def get_pipeline(name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """With `wait_for_completion=true` the answer is held until its build has ended."""
    if read_flag(request, "wait_for_completion"):
        pipeline = await hub.pipelines.wait_until_built(environment.id, name, hub.settings.wait_hold_s)
    else:
        pipeline = await hub.pipelines.get(environment.id, name)
    return json_answer(pipeline_shape(pipeline))


@router.delete("/pipelines/{name}", summary="Delete a pipeline")
async def delete_pipeline(name: str, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Refused while it has deployments, unless `force_deployments_deletion=true`. All its executions go too."""
    force = read_flag(request, "force_deployments_deletion")
    pipeline, deployments = await hub.pipelines.delete(environment.id, name, force=force)
    gone: dict[str, Any] = {
        "pipeline": {"name": pipeline.name},
        "deployments": [{"name": one.name, "execution_rule": one.rule.value} for one in deployments],
    }
    return json_answer(gone)


@router.post("/pipelines/{name}/logs", summary="The log of a pipeline's build")
async def read_pipeline_logs(name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """`{"from", "to", "limit"}`: ascending, `from <= t < to`, the first `limit`."""
    lines = await hub.pipelines.read_logs(environment.id, name, await read_log_range(request))
    return json_answer([log_row(line) for line in lines])


@router.get("/pipelines/{name}/executions", summary="The executions of a pipeline")
async def list_executions(name: str, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Newest first, those of its deployments included."""
    pipeline = await hub.pipelines.get(environment.id, name)
    return json_answer([execution_row(one) for one in await hub.executions.list(pipeline)])


@router.get("/pipelines/{name}/executions/latest", summary="The latest execution of a pipeline")
async def get_latest(name: str, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Its id, or null: never 404 for a pipeline that exists (wire.md 3.2)."""
    pipeline = await hub.pipelines.get(environment.id, name)
    return json_answer({"execution_id": await hub.executions.latest_of_pipeline(pipeline.id)})


@router.get("/pipelines/{name}/download", summary="Where to download a pipeline's code")
async def download(name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """A URL that needs no other token for a quarter of an hour. Code from a git repository is there, not here."""
    pipeline = await hub.pipelines.get(environment.id, name)
    if pipeline.origin is Origin.GIT_REPOSITORY:
        url = pipeline.declaration.container_config.repository_url
        raise ConflictError(
            f'pipeline "{name}" was created from a git repository; take its code from {url} at {pipeline.commit_id}'
        )
    token = hub.identities.download_token(pipeline.id)
    return json_answer({"signed_url": f"{environment_url(request)}{API_PREFIX}/pipelines/{name}/archive?token={token}"})


@router.get("/pipelines/{name}/archive", summary="A pipeline's code")
async def get_archive(name: str, hub: Hub, environment: Place, token: str = "") -> Response:
    """The gzip tar as it was uploaded."""
    pipeline_id = hub.identities.check_download(token)
    pipeline = await hub.pipelines.get(environment.id, name)
    if pipeline.id != pipeline_id:
        raise NotFoundError("pipeline", name)
    return FileResponse(hub.folders.archive(pipeline.id), media_type="application/octet-stream")
