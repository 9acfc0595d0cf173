"""The body of a call that triggers an execution: JSON, or a form with files (wire.md 3.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from pipeyard.api.context import services_of
from pipeyard.api.queries import content_type, parse_json, read_object
from pipeyard.api.uploads import read_form
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.values import DataType
from pipeyard.services.executions import SentInputs


@asynccontextmanager
async def read_trigger(request: Request, deployment: Deployment) -> AsyncIterator[SentInputs]:
    """What was sent, by endpoint input name. Any body that is not a form is read as JSON.

    Raises InvalidInputError; QueueFullError and its like before anything is read.
    """
    services_of(request).executions.check_room(deployment.id)
    if content_type(request) != "multipart/form-data":
        yield SentInputs(await read_object(request))
        return
    strings = {mapping.at for mapping in deployment.inputs_mapping if mapping.data_type is DataType.STRING}
    async with read_form(request) as form:
        values = {name: _parameter(name, text, name in strings) for name, text in form.texts}
        yield SentInputs(values, form.files)


def _parameter(name: str, text: str, is_string: bool) -> Any:
    """Clients send JSON; by hand (`curl -F s=hello`) it is bare text, which a string input takes as it is."""
    try:
        value = parse_json(name, text)
    except ValueError:
        return text
    return text if is_string and not (value is None or isinstance(value, str)) else value
