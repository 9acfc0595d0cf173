"""Routes of pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from pipeyard.api.context import AnyCaller, Hub, Person, Place, Services, environment_url
from pipeyard.api.forms import decode_pipeline_form
from pipeyard.api.generations import created_pipeline_answer, pipeline_answer
from pipeyard.api.json_answers import json_answer
from pipeyard.api.queries import content_type, read_flag, read_log_range, read_object
from pipeyard.api.shapes import execution_row, log_row, pipeline_row
from pipeyard.api.steps import refuse_step_names
from pipeyard.api.uploads import read_form
from pipeyard.domain.names import check_name
from pipeyard.domain.pipeline_declarations import read_declaration
from pipeyard.domain.pipelines import PipelineDeclaration
from pipeyard.errors import InvalidInputError, NotFoundError, TooLargeError
from pipeyard.wire import API_PREFIX

router = APIRouter(tags=["Pipelines"])

ARCHIVE_PART = "step_file"


@router.post("/pipelines", summary="Create a pipeline")
async def create_pipeline(request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """A form with the archive `step_file` (wire.md 3.1). 206 while it is being built, the pipeline in either case.

    Clients before 0.54 are held for 201 instead.
    """
    if content_type(request) == "application/json":
        raise await _template_error(request)
    async with read_form(request) as form:
        fields = decode_pipeline_form(form.texts)
        declaration = read_declaration(fields)
        archive = form.files.get(ARCHIVE_PART)
        _check_origin(declaration, archive, hub)

        def unpack(folder: Path) -> None:
            assert archive is not None
            hub.keep_code(archive, hub.folders.archive(folder.name), hub.folders.code(folder.name), declaration)

        pipeline = await hub.pipelines.create(environment.id, caller.user_id, declaration, unpack)
    return await created_pipeline_answer(request, hub, pipeline)


async def _template_error(request: Request) -> Exception:
    fields = await read_object(request)
    refuse_step_names(fields)
    check_name("pipeline_name", fields.get("pipeline_name"))
    template = fields.get("pipeline_template_name")
    if not isinstance(template, str):
        return InvalidInputError(
            "body", "JSON creates a pipeline from a template", "pipeline_template_name in it, or a form"
        )
    return NotFoundError("pipeline template", template)


def _check_origin(declaration: PipelineDeclaration, archive: Path | None, hub: Services) -> None:
    if archive is None:
        raise InvalidInputError(
            "container_config.local_folder",
            "is missing, and creating a pipeline from a git repository is not supported by this version",
            "a local_folder (sent as the file part step_file)",
        )
    if declaration.container_config.repository_url is not None:
        raise InvalidInputError(
            "container_config.repository_url", "cannot be combined with a local folder", "one of the two"
        )
    size, most = archive.stat().st_size, hub.settings.archive_max_bytes
    if size > most:
        raise TooLargeError(
            f"step_file: the code is {size} bytes compressed, the limit is {most}; leave data out of included_folders "
            "(archive_max_bytes is the setting)"
        )


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
    return pipeline_answer(request, pipeline)


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
    """A URL that needs no other token for a quarter of an hour."""
    pipeline = await hub.pipelines.get(environment.id, name)
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
