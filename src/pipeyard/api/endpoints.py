"""Endpoints: the calls of the outside world. The hot path: plain Starlette, no table read before the commit."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeyard.api.context import Services, bearer_token, environment_of, environment_url, services_of
from pipeyard.api.json_answers import json_answer
from pipeyard.api.preferences import Preference, read_preference
from pipeyard.api.triggers import read_trigger
from pipeyard.api.value_answers import value_answer
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import Execution
from pipeyard.domain.mappings import Destination, OutputMapping
from pipeyard.domain.values import DataType
from pipeyard.errors import AuthenticationError, NotFoundError
from pipeyard.services.executions import raise_unless_succeeded
from pipeyard.wire import EXECUTION_ID_HEADER

ENDPOINT_SCHEME = "EndpointToken"


@dataclass(frozen=True)
class EndpointCall:
    """A request that was let in."""

    hub: Services
    deployment: Deployment
    url: str  # of the endpoint, without a version
    token: str | None  # the endpoint token, if that let it in


async def trigger(request: Request) -> Response:
    """`POST /endpoints/{path}`: 200 with the result in one round trip, or 303 to it (wire.md 3.8)."""
    call = await _let_in(request)
    preference = read_preference(request, call.hub.settings.wait_hold_s)
    async with read_trigger(request, call.deployment) as sent:
        execution_id = await call.hub.executions.trigger(call.deployment, sent)
    execution = await _wait(call, execution_id, preference)
    if execution is None:
        return _see_other(call, execution_id)
    answer = await _plain_result(call, execution)
    answer.headers[EXECUTION_ID_HEADER] = execution_id
    return answer


async def get_result(request: Request) -> Response:
    """`GET /endpoints/{path}/executions/{id}`: held, then the plain result, or 303 to itself."""
    call = await _let_in(request)
    execution = await _wait_for_result(request, call)
    if execution is None:
        return _see_other(call, request.path_params["execution_id"])
    return await _plain_result(call, execution)


async def get_versioned_result(request: Request) -> Response:
    """`GET /endpoints/v1/{path}/executions/{id}`: held, then the wrapped result (wire.md 3.9), or 307 to itself."""
    call = await _let_in(request)
    execution = await _wait_for_result(request, call)
    execution_id = request.path_params["execution_id"]
    if execution is None:
        location = f"{_versioned_url(request, call)}/executions/{execution_id}{_token_query(call)}"
        return json_answer({"execution_id": execution_id}, 307, {"Location": location})
    raise_unless_succeeded(execution)
    values = await call.hub.executions.output_values(execution.id)
    outputs: dict[str, Any] = {}
    for mapping in _endpoint_outputs(execution):
        if mapping.data_type is DataType.FILE:
            exists = await call.hub.executions.read_output(execution, mapping.output_name) is not None
            url = f"{_versioned_url(request, call)}/executions/{execution_id}/outputs/{mapping.at}"
            outputs[mapping.at] = {"url": url if exists else None}
        else:
            outputs[mapping.at] = {"value": values.get(mapping.output_name)}
    return json_answer({"status": execution.status.value, "execution_id": execution.id, "outputs": outputs})


async def get_result_file(request: Request) -> Response:
    """`GET /endpoints/[v1/]{path}/executions/{id}/outputs/{name}`: the bytes of a file output, or a bare value."""
    call = await _let_in(request)
    execution = await _own_execution(call, request.path_params["execution_id"])
    for mapping in _endpoint_outputs(execution):
        if mapping.at == request.path_params["name"]:
            return value_answer(await call.hub.executions.read_output(execution, mapping.output_name))
    raise NotFoundError("output", request.path_params["name"])


async def _let_in(request: Request) -> EndpointCall:
    """The endpoint token in the header or in `?token=`, or an access token. Raises AuthenticationError."""
    hub = services_of(request)
    environment = await environment_of(request)
    path = request.path_params["path"]
    deployment = await hub.endpoint_paths.get((environment.id, path))
    url = f"{environment_url(request)}/endpoints/{path}"
    token = _sent_token(request)
    if token is not None:
        if not hmac.compare_digest(token.encode(), (deployment.endpoint_token or "").encode()):
            raise AuthenticationError("the endpoint token is wrong, or was replaced by a newer one", ENDPOINT_SCHEME)
        return EndpointCall(hub, deployment, url, token)
    access_token = bearer_token(request)
    if access_token is None:
        message = "no token: send the header Authorization: EndpointToken <endpoint token>"
        raise AuthenticationError(message, ENDPOINT_SCHEME)
    hub.identities.authenticate(access_token)
    return EndpointCall(hub, deployment, url, None)


def _sent_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == ENDPOINT_SCHEME.lower():
        return token.strip()
    return request.query_params.get("token")


async def _wait(call: EndpointCall, execution_id: str, preference: Preference) -> Execution | None:
    if preference.hold_s <= 0:
        return None
    return await call.hub.executions.wait_until_final(call.deployment.environment_id, execution_id, preference.hold_s)


async def _wait_for_result(request: Request, call: EndpointCall) -> Execution | None:
    execution = await _own_execution(call, request.path_params["execution_id"])
    return (
        execution
        if execution.status.is_final
        else await _wait(call, execution.id, Preference(call.hub.settings.wait_hold_s))
    )


async def _own_execution(call: EndpointCall, execution_id: str) -> Execution:
    """An endpoint token opens the executions of its own deployment alone."""
    execution = await call.hub.executions.get(call.deployment.environment_id, execution_id)
    if execution.deployment_id != call.deployment.id:
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


def _versioned_url(request: Request, call: EndpointCall) -> str:
    return f"{environment_url(request)}/endpoints/v1/{call.deployment.endpoint_url_path}"


def _endpoint_outputs(execution: Execution) -> list[OutputMapping]:
    return [mapping for mapping in execution.outputs_mapping if mapping.destination is Destination.ENDPOINT]


async def _plain_result(call: EndpointCall, execution: Execution) -> Response:
    """Bare values by endpoint output name; a lone file output as its bytes, other files as URLs."""
    raise_unless_succeeded(execution)
    mappings = _endpoint_outputs(execution)
    if len(mappings) == 1 and mappings[0].data_type is DataType.FILE:
        content = await call.hub.executions.read_output(execution, mappings[0].output_name)
        # The name comes last and unquoted: older clients cut it off the end (wire.md 6.4).
        disposition = f"attachment; filename=output_{execution.id}_{mappings[0].at}"
        return value_answer(content, disposition if isinstance(content, AsyncIterator) else None)
    values = await call.hub.executions.output_values(execution.id)
    outputs: dict[str, Any] = {}
    for mapping in mappings:
        if mapping.data_type is DataType.FILE:
            exists = await call.hub.executions.read_output(execution, mapping.output_name) is not None
            outputs[mapping.at] = f"{call.url}/executions/{execution.id}/outputs/{mapping.at}" if exists else None
        else:
            outputs[mapping.at] = values.get(mapping.output_name)
    return json_answer(
        {"status": execution.status.value, "execution_id": execution.id, "outputs": outputs, "output": outputs}
    )


ROUTES = [
    Route("/endpoints/v1/{path}/executions/{execution_id}/outputs/{name}", get_result_file, methods=["GET"]),
    Route("/endpoints/v1/{path}/executions/{execution_id}", get_versioned_result, methods=["GET"]),
    Route("/endpoints/{path}/executions/{execution_id}/outputs/{name}", get_result_file, methods=["GET"]),
    Route("/endpoints/{path}/executions/{execution_id}", get_result, methods=["GET"]),
    Route("/endpoints/{path}", trigger, methods=["POST"]),
]
