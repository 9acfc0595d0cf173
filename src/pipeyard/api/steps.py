"""Steps, which older clients make pipelines of: refused, with what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from pipeyard.api.context import AnyCaller
from pipeyard.api.operations import ERROR, Answer, Name, operation
from pipeyard.errors import InvalidInputError

router = APIRouter(tags=["Steps"], deprecated=True)

_ALWAYS = operation({400: Answer("Always: steps are not supported", ERROR)})


@router.get("/steps", name="list_steps", summary="List steps", **_ALWAYS)
@router.post("/steps", name="create_step", summary="Create a step", **_ALWAYS)
async def refuse_steps(caller: AnyCaller) -> Response:
    """Not supported: a pipeline is created from its function at once."""
    raise _refusal()


@router.get("/steps/{name}", name="get_step", summary="One step", **_ALWAYS)
@router.delete("/steps/{name}", name="delete_step", summary="Delete a step", **_ALWAYS)
@router.get("/steps/{name}/download", name="get_step_download", summary="Where to download a step's code", **_ALWAYS)
@router.post("/steps/{name}/logs", name="read_step_logs", summary="The log of a step", **_ALWAYS)
async def refuse_step(name: Name, caller: AnyCaller) -> Response:
    """Not supported: a pipeline is created from its function at once."""
    raise _refusal()


def refuse_step_names(fields: Mapping[str, Any]) -> None:
    """Raises InvalidInputError for the JSON body that makes a pipeline of steps."""
    if "step_names" in fields:
        raise _refusal()


def _refusal() -> InvalidInputError:
    return InvalidInputError(
        "step",
        "steps are not supported, a pipeline is created from its function at once",
        "create_pipeline with the function_path, function_name, inputs and outputs of the step",
    )
