"""Endpoints: the calls of the outside world. The hot path: plain Starlette, no table read before the commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeyard.api.endpoint_calls import EndpointCall, let_in
from pipeyard.api.endpoint_pages import get_description, get_page
from pipeyard.api.json_answers import json_answer
from pipeyard.api.preferences import read_preference
from pipeyard.api.triggers import read_trigger
from pipeyard.api.value_answers import value_answer
from pipeyard.domain.executions import Execution
from pipeyard.domain.mappings import Destination, OutputMapping
from pipeyard.domain.values import DataType
from pipeyard.errors import NotFoundError
from pipeyard.services.executions import EndedExecution, raise_unless_succeeded
from pipeyard.wire import EXECUTION_ID_HEADER


async def trigger(request: Request) -> Response:
    """`POST /endpoints/{path}`: 200 with the result in one round trip, or 303 to it (wire.md 3.8)."""
    call = await let_in(request)
    preference = read_preference(request, call.hub.settings.wait_hold_s)
    async with read_trigger(request, call.deployment) as sent:
        execution_id, ended = await call.hub.executions.call(call.deployment, sent, preference.hold_s)
    if ended is None:
        return _see_other(call, execution_id)
    answer = await _plain_result(call, ended)
    answer.headers[EXECUTION_ID_HEADER] = execution_id
    return answer


async def get_result(request: Request) -> Response:
    """`GET /endpoints/{path}/executions/{id}`: held, then the plain result, or 303 to itself."""
    call = await let_in(request)
    ended = await _wait(request, call)
    if ended is None:
        return _see_other(call, request.path_params["execution_id"])
    return await _plain_result(call, ended)


async def get_versioned_result(request: Request) -> Response:
    """`GET /endpoints/v1/{path}/executions/{id}`: held, then the wrapped result (wire.md 3.9), or 307 to itself."""
    call = await let_in(request)
    ended = await _wait(request, call)
    execution_id = request.path_params["execution_id"]
    url = f"{call.versioned_url}/executions/{execution_id}"
    if ended is None:
        return json_answer({"execution_id": execution_id}, 307, {"Location": f"{url}{_token_query(call)}"})
    raise_unless_succeeded(ended)
    outputs: dict[str, Any] = {}
    for mapping in _endpoint_outputs(ended.outputs_mapping):
        if mapping.data_type is DataType.FILE:
            outputs[mapping.at] = {"url": await _file_url(call, ended.id, mapping, url)}
        else:
            outputs[mapping.at] = {"value": ended.output_values.get(mapping.output_name)}
    return json_answer({"status": ended.status.value, "execution_id": ended.id, "outputs": outputs})


async def get_result_file(request: Request) -> Response:
    """`GET /endpoints/[v1/]{path}/executions/{id}/outputs/{name}`: the bytes of a file output, or a bare value."""
    call = await let_in(request)
    execution = await _own_execution(call, request.path_params["execution_id"])
    for mapping in _endpoint_outputs(execution.outputs_mapping):
        if mapping.at == request.path_params["name"]:
            return value_answer(await call.hub.executions.read_output(execution, mapping.output_name))
    raise NotFoundError("output", request.path_params["name"])


async def _wait(request: Request, call: EndpointCall) -> EndedExecution | None:
    """The end of the execution that the URL names; None when the hold has passed before."""
    executions, hold_s = call.hub.executions, call.hub.settings.wait_hold_s
    execution: Execution | None = await _own_execution(call, request.path_params["execution_id"])
    assert execution is not None
    if not execution.status.is_final:
        execution = await executions.wait_until_final(call.deployment.environment_id, execution.id, hold_s)
    return None if execution is None else await executions.read_end(execution)


async def _own_execution(call: EndpointCall, execution_id: str) -> Execution:
    """An endpoint opens what was accepted at it, whichever deployment served it then."""
    execution = await call.hub.executions.get(call.deployment.environment_id, execution_id)
    if execution.endpoint_id is None or execution.endpoint_id != call.deployment.endpoint_id:
        raise NotFoundError("execution", execution_id)
    return execution


def _see_other(call: EndpointCall, execution_id: str) -> Response:
    """303, so that every client turns its POST into a GET (wire.md 1.6)."""
    location = f"{call.url}/executions/{execution_id}{_token_query(call)}"
    headers = {"Location": location, EXECUTION_ID_HEADER: execution_id}
    return json_answer({"execution_id": execution_id}, 303, headers)


def _token_query(call: EndpointCall) -> str:
    """Clients drop the header when the host changes, so the token travels in the URL too."""
    return "" if call.token is None else f"?token={quote(call.token, safe='')}"


def _endpoint_outputs(mappings: Iterable[OutputMapping]) -> list[OutputMapping]:
    return [mapping for mapping in mappings if mapping.destination is Destination.ENDPOINT]


async def _file_url(call: EndpointCall, execution_id: str, mapping: OutputMapping, url: str) -> str | None:
    content = await call.hub.executions.open_output(execution_id, mapping.output_name)
    return None if content is None else f"{url}/outputs/{mapping.at}"


async def _plain_result(call: EndpointCall, ended: EndedExecution) -> Response:
    """Bare values by endpoint output name; a lone file output as its bytes, other files as URLs."""
    raise_unless_succeeded(ended)
    mappings = _endpoint_outputs(ended.outputs_mapping)
    if len(mappings) == 1 and mappings[0].data_type is DataType.FILE:
        content = await call.hub.executions.open_output(ended.id, mappings[0].output_name)
        if content is not None:
            # The name comes last and unquoted: older clients cut it off the end (wire.md 6.4).
            return value_answer(content, f"attachment; filename=output_{ended.id}_{mappings[0].at}")
    outputs: dict[str, Any] = {}
    for mapping in mappings:
        if mapping.data_type is DataType.FILE:
            outputs[mapping.at] = await _file_url(call, ended.id, mapping, f"{call.url}/executions/{ended.id}")
        else:
            outputs[mapping.at] = ended.output_values.get(mapping.output_name)
    return json_answer({"status": ended.status.value, "execution_id": ended.id, "outputs": outputs, "output": outputs})


ROUTES = [
    Route("/endpoints/v1/{path}/executions/{execution_id}/outputs/{name}", get_result_file, methods=["GET"]),
    Route("/endpoints/v1/{path}/executions/{execution_id}", get_versioned_result, methods=["GET"]),
    Route("/endpoints/{path}/executions/{execution_id}/outputs/{name}", get_result_file, methods=["GET"]),
    Route("/endpoints/{path}/executions/{execution_id}", get_result, methods=["GET"]),
    Route("/endpoints/{path}", trigger, methods=["POST"]),
    Route("/endpoints/{path}/openapi.json", get_description, methods=["GET"]),
    Route("/endpoints/{path}/docs", get_page, methods=["GET"]),
]
