"""Routes of pipelines."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Person, Place, reachable_url
from pipeyard.api.execution_schemas import EXECUTIONS, LATEST
from pipeyard.api.forms import decode_pipeline_form
from pipeyard.api.generations import created_pipeline_answer, pipeline_answer
from pipeyard.api.json_answers import json_answer
from pipeyard.api.log_schemas import LOG, LOG_RANGE
from pipeyard.api.log_streams import FOLLOW, log_stream
from pipeyard.api.operations import (
    FORM,
    JSON,
    MULTIPART,
    QUERY_FLAG,
    URL,
    Answer,
    Name,
    operation,
    record,
)
from pipeyard.api.pipeline_schemas import (
    DELETED_PIPELINE,
    PIPELINE,
    PIPELINE_LINKS,
    PIPELINE_OF_REPOSITORY,
    PIPELINE_OF_TEMPLATE,
    PIPELINE_WITH_FOLDER,
    PIPELINES,
)
from pipeyard.api.queries import content_type, read_flag, read_log_range, read_object
from pipeyard.api.shapes import execution_row, log_row, pipeline_row
from pipeyard.api.steps import refuse_step_names
from pipeyard.api.uploads import read_form
from pipeyard.domain.executions import ExecutionFilter
from pipeyard.domain.objects import Access
from pipeyard.domain.pipelines import Origin
from pipeyard.errors import ConflictError

router = APIRouter(tags=["Pipelines"])

ARCHIVE_PART = "step_file"


@router.post(
    "/pipelines",
    summary="Create a pipeline",
    **operation(
        {
            206: Answer("Accepted, being built", PIPELINE, links=PIPELINE_LINKS),
            201: Answer("Ready: to clients before 0.54, which are held for it", PIPELINE, links=PIPELINE_LINKS),
        },
        bodies={MULTIPART: PIPELINE_WITH_FOLDER, FORM: PIPELINE_OF_REPOSITORY, JSON: PIPELINE_OF_TEMPLATE},
    ),
)
async def create_pipeline(request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """A form, with the archive `step_file` or else from a git repository; or JSON, from a template (wire.md 3.1).

    206 while it is being built, the pipeline in either case. Clients before 0.54 are held for 201 instead.
    """
    if content_type(request) == JSON:
        fields = await read_object(request)
        refuse_step_names(fields)
        new = await hub.origins.read_template(environment.id, fields)
        pipeline = await hub.pipelines.create(environment.id, caller.user_id, new)
    else:
        async with read_form(request) as form:  # its files are there as long as this lasts
            fields = decode_pipeline_form(form.texts)
            new = await hub.origins.read_form(environment.id, fields, form.files.get(ARCHIVE_PART))
            pipeline = await hub.pipelines.create(environment.id, caller.user_id, new)
    return await created_pipeline_answer(request, hub, pipeline)


@router.get("/pipelines", summary="List pipelines", **operation({200: ("All of them", PIPELINES)}))
async def list_pipelines(hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Name, date and status of each, oldest first."""
    return json_answer([pipeline_row(pipeline) for pipeline in await hub.pipelines.list(environment.id)])


@router.get(
    "/pipelines/{name}",
    summary="One pipeline",
    **operation({200: ("The pipeline", PIPELINE)}, query={"wait_for_completion": QUERY_FLAG}),
)
async def get_pipeline(name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """With `wait_for_completion=true` the answer is held until its build has ended."""
    if read_flag(request, "wait_for_completion"):
        pipeline = await hub.pipelines.wait_until_built(environment.id, name, hub.settings.wait_hold_s)
    else:
        pipeline = await hub.pipelines.get(environment.id, name)
    return pipeline_answer(request, pipeline)


@router.delete(
    "/pipelines/{name}",
    summary="Delete a pipeline",
    **operation({200: ("What went", DELETED_PIPELINE)}, query={"force_deployments_deletion": QUERY_FLAG}),
)
async def delete_pipeline(name: Name, request: Request, hub: Hub, environment: Place, caller: Person) -> Response:
    """Refused while it has deployments, unless `force_deployments_deletion=true`. All its executions go too."""
    force = read_flag(request, "force_deployments_deletion")
    pipeline, deployments = await hub.pipelines.delete(environment.id, name, force=force)
    gone: dict[str, Any] = {
        "pipeline": {"name": pipeline.name},
        "deployments": [{"name": one.name, "execution_rule": one.rule.value} for one in deployments],
    }
    return json_answer(gone)


@router.post(
    "/pipelines/{name}/logs",
    summary="The log of a pipeline's build",
    **operation({200: ("Its lines", LOG)}, body=LOG_RANGE),
)
async def read_pipeline_logs(name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """`{"from", "to", "limit"}`: ascending, `from <= t < to`, the first `limit`."""
    lines = await hub.pipelines.read_logs(environment.id, name, await read_log_range(request))
    return json_answer([log_row(line) for line in lines])


@router.get("/pipelines/{name}/logs", summary="The log of a pipeline's build, as it comes", **FOLLOW)
async def follow_pipeline_logs(
    name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """One JSON object a line; with `follow=true` until the build has ended."""
    batches = await hub.pipelines.follow_logs(environment.id, name, live=read_flag(request, "follow"))
    return log_stream(batches, log_row)


@router.get(
    "/pipelines/{name}/executions",
    summary="The executions of a pipeline",
    **operation({200: ("Newest first", EXECUTIONS)}),
)
async def list_pipeline_executions(name: Name, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Newest first, those of its deployments included."""
    pipeline = await hub.pipelines.get(environment.id, name)
    chosen = ExecutionFilter(environment.id, pipeline_id=pipeline.id)
    return json_answer([execution_row(one) for one in await hub.executions.list(chosen)])


@router.get(
    "/pipelines/{name}/executions/latest",
    summary="The latest execution of a pipeline",
    **operation({200: ("Its id, or null", LATEST)}),
)
async def get_latest_pipeline_execution(name: Name, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Its id, or null: never 404 for a pipeline that exists (wire.md 3.2)."""
    pipeline = await hub.pipelines.get(environment.id, name)
    return json_answer({"execution_id": await hub.executions.latest_of_pipeline(pipeline.id)})


@router.get(
    "/pipelines/{name}/download",
    summary="Where to download a pipeline's code",
    **operation({200: ("The URL", record({"signed_url": URL}))}),
)
async def get_pipeline_download(
    name: Name, request: Request, hub: Hub, environment: Place, caller: AnyCaller
) -> Response:
    """A URL that needs no other token, for a while. Code from a git repository is there, not here."""
    pipeline = await hub.pipelines.get(environment.id, name)
    if pipeline.origin is Origin.GIT_REPOSITORY:
        url = pipeline.declaration.container_config.repository_url
        raise ConflictError(
            f'pipeline "{name}" was created from a git repository; take its code from {url} at {pipeline.commit_id}'
        )
    url = hub.data_store.urls.sign(Access("archive", pipeline.id), reachable_url(request, caller))
    return json_answer({"signed_url": url})
