"""What OpenAPI says beyond the routes' own words: the endpoints' URLs, and what all operations have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute

from pipeyard.api.endpoint_operations import ENDPOINT_TOKENS, describe_endpoints
from pipeyard.api.operations import TEXT, Json

_POINTER = re.compile(r" \(wire\.md [\d.]+\)")
_REQUEST_ID: Json = {"required": True, "schema": TEXT, "description": "also in the server's log"}


def operation_id(route: APIRoute) -> str:
    """`create_pipeline` is `createPipeline`."""
    first, *others = route.name.split("_")
    return first + "".join(other.capitalize() for other in others)


def describe(app: FastAPI) -> None:
    """Complete the application's OpenAPI."""
    generate = app.openapi

    def complete() -> Json:
        if app.openapi_schema is None:
            schema = generate()
            schema["paths"].update(describe_endpoints())
            schema["components"]["securitySchemes"].update(ENDPOINT_TOKENS)
            for operation in _operations(schema):
                _complete(operation)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _operations(schema: Json) -> Iterator[Json]:
    for methods in schema["paths"].values():
        yield from methods.values()


def _complete(operation: Json) -> None:
    """No pointers into our own reference; a request id in every answer; public is said, not left out."""
    operation["description"] = _POINTER.sub("", operation.get("description", ""))
    operation.setdefault("security", [])
    operation["responses"] = {
        status: response | {"headers": response.get("headers", {}) | {"X-Request-Id": _REQUEST_ID}}
        for status, response in operation["responses"].items()
    }
