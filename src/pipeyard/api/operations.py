"""What a route says of its bodies in OpenAPI, beside the route: we read and write bodies by ourselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
BYTES = "application/octet-stream"

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
FLAG: Json = {"type": "boolean"}
ANY: Json = {}
FILE: Json = {"type": "string", "format": "binary"}
INSTANT: Json = {"type": "string", "format": "date-time", "examples": ["2026-11-22T10:00:00.000Z"]}


def maybe(schema: Json) -> Json:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Json) -> Json:
    """A list of these."""
    return {"type": "array", "items": items}


def record(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object with these keys."""
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def operation(
    answers: Mapping[int, tuple[str, Json | None]],
    *,
    body: Json | None = None,
    bodies: Mapping[str, Json] | None = None,
    query: Mapping[str, Json] | None = None,
) -> dict[str, Any]:
    """Keyword arguments for the route's decorator.

    `answers`: status to (what it means, schema of its JSON; None: no body). The first is the usual one.
    `body`: schema of the JSON body; `bodies`: by media type. `query`: parameters that the route reads by itself.
    """
    extra: Json = {}
    contents = {JSON: body} if body is not None else dict(bodies or {})
    if contents:
        extra["requestBody"] = {"content": {kind: {"schema": schema} for kind, schema in contents.items()}}
    if query:
        extra["parameters"] = [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
    return {
        "status_code": next(iter(answers)),
        "responses": {status: _answer(meaning, schema) for status, (meaning, schema) in answers.items()},
        "openapi_extra": extra,
    }


def _answer(meaning: str, schema: Json | None) -> Json:
    return {"description": meaning} | ({} if schema is None else {"content": {JSON: {"schema": schema}}})
