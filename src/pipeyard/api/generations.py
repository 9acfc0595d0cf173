"""Answers to creations and the shape of pipelines, by the generation of the client that asks (wire.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import Services
from pipeyard.api.json_answers import json_answer
from pipeyard.api.shapes import pipeline_shape
from pipeyard.domain.deployments import Deployment, DeploymentStatus
from pipeyard.domain.generations import Generation, generation_of
from pipeyard.domain.log_lines import LogLine, LogRange
from pipeyard.domain.pipelines import Pipeline, PipelineStatus
from pipeyard.errors import CreationFailedError
from pipeyard.wire import CLIENT_HEADER

LOG_TAIL, LINE_LENGTH_SHOWN = 5, 500  # of the log that the reason of a failed creation quotes


def pipeline_answer(request: Request, pipeline: Pipeline, status_code: int = 200) -> Response:
    """The pipeline in the shape that the caller reads."""
    shape = flat_pipeline_shape if _of(request).reads_flat_pipelines else pipeline_shape
    return json_answer(shape(pipeline), status_code)


def flat_pipeline_shape(pipeline: Pipeline) -> dict[str, Any]:
    """As clients before 0.56 read it: inputs and outputs belong to a step, which has the pipeline's name."""
    nested = pipeline_shape(pipeline)
    parameters, info = nested["parameters"], nested["creation_info"]
    return {
        "pipeline_name": pipeline.name,
        "created_at": info["created_at"],
        "created_by": info["created_by"],
        "inputs": [_of_step("input", pipeline.name, declared) for declared in parameters["inputs"]],
        "outputs": [_of_step("output", pipeline.name, declared) for declared in parameters["outputs"]],
        "container_config": parameters["container_config"],
        "creation_info": {key: info[key] for key in ("commit_id", "status", "origin")},
    }


def _of_step(kind: str, step_name: str, declared: dict[str, Any]) -> dict[str, Any]:
    return {f"{kind}_name": declared.pop("name"), "step_name": step_name} | declared


async def created_pipeline_answer(request: Request, hub: Services, pipeline: Pipeline) -> Response:
    """206 while it is being built. Clients that would sleep meanwhile are held for 201: for one hold at most.

    Raises CreationFailedError to those: they take every success for a pipeline that is ready.
    """
    if _of(request).sleeps_for_pipelines:
        hold_s = hub.settings.wait_hold_s
        pipeline = await hub.pipelines.wait_until_built(pipeline.environment_id, pipeline.name, hold_s)
        if pipeline.status is PipelineStatus.CREATION_FAILED:
            log = await hub.pipelines.read_logs(pipeline.environment_id, pipeline.name, LogRange())
            raise _failed("pipeline", pipeline.name, log)
    return pipeline_answer(request, pipeline, 206 if pipeline.status is PipelineStatus.CREATION_PENDING else 201)


async def settled_deployment(request: Request, hub: Services, deployment: Deployment) -> Deployment:
    """The deployment as it was created; for clients that would sleep, once it is settled or the hold has passed.

    Raises CreationFailedError to those: they take every success for a deployment that is up.
    """
    if not _of(request).sleeps_for_deployments:
        return deployment
    place = deployment.environment_id, deployment.name
    settled = await hub.deployments.wait_until_settled(*place, hub.settings.wait_hold_s)
    if settled.status is DeploymentStatus.CREATION_FAILED:
        raise _failed("deployment", deployment.name, await hub.deployments.read_logs(*place, LogRange()))
    return settled


def _of(request: Request) -> Generation:
    return generation_of(request.headers.get(CLIENT_HEADER))


def _failed(kind: str, name: str, log: Sequence[LogLine]) -> CreationFailedError:
    tail = "\n".join(line.message[:LINE_LENGTH_SHOWN] for line in log[-LOG_TAIL:])
    return CreationFailedError(
        f'{kind} "{name}" could not be created; look at it with get_{kind}_logs, delete it, and create it again. '
        f"The end of its log:\n{tail}",
        **{f"{kind}_name": name},
    )
