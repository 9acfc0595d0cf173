"""What OpenAPI says of the endpoints' own URLs, which are plain Starlette routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeyard.api.deployment_schemas import INPUTS, INPUTS_FORM
from pipeyard.api.errors import RESPONSES
from pipeyard.api.execution_schemas import VALUE
from pipeyard.api.operations import (
    ANY,
    BYTES,
    EXECUTION_HEADER,
    EXECUTION_ID,
    FAILED,
    FILE,
    JSON,
    MULTIPART,
    NAME,
    TEXT,
    URL,
    Answer,
    Json,
    choice,
    describe_request,
    link,
    maybe,
    moved,
    record,
)
from pipeyard.wire import EXECUTION_ID_HEADER

_HTML = "text/html"
ENDPOINT_TOKENS: Json = {
    "endpoint_token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "EndpointToken <endpoint token>",
    },
    "endpoint_token_in_url": {"type": "apiKey", "in": "query", "name": "token"},
}
_SECURITY: list[Json] = [*({name: []} for name in ENDPOINT_TOKENS), {"access_token": []}]
_PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "schema": TEXT,
    "examples": {"at once": {"value": "respond-async"}, "seconds": {"value": "wait=10"}},
}
_OUTPUTS: Json = {"type": "object", "description": "values by endpoint output name, a file as its URL"}
_RESULT = record({"status": choice("Succeeded"), "execution_id": EXECUTION_ID, "outputs": _OUTPUTS, "output": _OUTPUTS})
_WRAPPED = {"anyOf": [record({"value": ANY}), record({"url": maybe(URL)})]}
_VERSIONED = record(
    {
        "status": choice("Succeeded"),
        "execution_id": EXECUTION_ID,
        "outputs": {"type": "object", "additionalProperties": _WRAPPED},
    }
)
_MEANING = "The result; the bytes of the file, or null, where the only output is a file"
_PATH: dict[str, Json] = {"path": NAME}
_EXECUTION: dict[str, Json] = {"path": NAME, "execution_id": EXECUTION_ID}
_OUTPUT: dict[str, Json] = {"path": NAME, "execution_id": EXECUTION_ID, "name": NAME}
_ONE_OUTPUT = ("One output of a call", "The bytes of a file, or a bare JSON value.")
_RESULT_LINKS = {
    name: link(name, path="$request.path.path", execution_id=f"$response.header.{EXECUTION_ID_HEADER}")
    for name in ("getCallResult", "getVersionedCallResult")
}


def describe_endpoints() -> Json:
    """Their part of `paths`."""
    base, execution = "/endpoints/{path}", "/executions/{execution_id}"
    versioned = "/endpoints/v1/{path}" + execution
    result = Answer(_MEANING, maybe(_RESULT), {BYTES: FILE})
    output = {200: VALUE}
    return {
        base: {
            "post": _describe(
                "callEndpoint",
                "Call an endpoint",
                "Held until the result: 200. 303 to the result when the hold passes, for `Prefer: respond-async`, and "
                "for clients that send the header craft-ai-client.",
                _PATH,
                {
                    200: replace(result, headers=EXECUTION_HEADER, links=_RESULT_LINKS),
                    303: replace(moved("Accepted; the result is at Location", **EXECUTION_HEADER), links=_RESULT_LINKS),
                    500: FAILED,
                },
                describe_request(bodies={JSON: INPUTS, MULTIPART: INPUTS_FORM}) | {"parameters": [_PREFER]},
            )
        },
        f"{base}{execution}": {
            "get": _describe(
                "getCallResult",
                "The result of a call",
                "Held; 303 to itself while it is open.",
                _EXECUTION,
                {200: result, 303: moved("It is open: ask again", **EXECUTION_HEADER), 500: FAILED},
            )
        },
        versioned: {
            "get": _describe(
                "getVersionedCallResult",
                "The result of a call, each value wrapped",
                "Held; 307 to itself while it is open.",
                _EXECUTION,
                {200: Answer("The result", _VERSIONED), 307: moved("It is open: ask again"), 500: FAILED},
            )
        },
        f"{base}{execution}/outputs/{{name}}": {"get": _describe("getCallOutput", *_ONE_OUTPUT, _OUTPUT, output)},
        f"{versioned}/outputs/{{name}}": {"get": _describe("getVersionedCallOutput", *_ONE_OUTPUT, _OUTPUT, output)},
        f"{base}/openapi.json": {
            "get": _describe(
                "describeEndpoint",
                "OpenAPI of one endpoint",
                "Its own inputs and outputs: for tools, and for who may know this endpoint alone.",
                _PATH,
                {200: Answer("OpenAPI 3.1", {"type": "object", "required": ["openapi", "info", "paths"]})},
            )
        },
        f"{base}/docs": {
            "get": _describe(
                "getEndpointDocumentation",
                "The page of one endpoint",
                "Inputs, outputs, snippets, and a form to try it. With `?token=` it is a link to send to somebody.",
                _PATH,
                {200: Answer("A page that loads nothing from elsewhere", content={_HTML: TEXT})},
            )
        },
    }


def _describe(
    operation_id: str,
    summary: str,
    description: str,
    path: Mapping[str, Json],
    answers: Mapping[int, Answer],
    request: Json | None = None,
) -> Json:
    request = request or {}
    parameters = [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in path.items()]
    return request | {
        "tags": ["Endpoints"],
        "operationId": operation_id,
        "summary": summary,
        "description": description,
        "security": _SECURITY,
        "parameters": [*parameters, *request.get("parameters", ())],
        "responses": {str(status): answer.describe() for status, answer in answers.items()} | RESPONSES,
    }
