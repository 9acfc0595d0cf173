"""What a route says of its bodies in OpenAPI, beside the route: we read and write bodies by ourselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, TypeAlias

from fastapi import Path
from starlette.responses import Response

from pipeyard.domain.names import NAME_PATTERN, VARIABLE_PATTERN
from pipeyard.wire import EXECUTION_ID_HEADER

Json: TypeAlias = dict[str, Any]

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
BYTES = "application/octet-stream"

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
RAM: Json = {"type": "string", "pattern": "^[1-9][0-9]{0,14}(KiB|MiB|GiB)$", "examples": ["512MiB", "1GiB"]}
NUMBER: Json = {"type": "number"}
FLAG: Json = {"type": "boolean"}
ANY: Json = {}
FILE: Json = {"type": "string", "format": "binary"}
INSTANT: Json = {"type": "string", "format": "date-time", "examples": ["2026-11-22T10:00:00.000Z"]}
URL: Json = {"type": "string", "format": "uri"}
NAME: Json = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
VARIABLE: Json = {"type": "string", "pattern": f"^{VARIABLE_PATTERN}$"}
EXECUTION_ID: Json = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{13,112}$"}
TRUE: Json = {"const": True}
QUERY_FLAG: Json = {"type": "boolean", "default": False}

# Parameters of paths. A value that does not fit names nothing and is not found, so the patterns refuse nothing.
Name = Annotated[str, Path(json_schema_extra={"pattern": NAME["pattern"]})]
VariableName = Annotated[str, Path(json_schema_extra={"pattern": VARIABLE["pattern"]})]
ExecutionId = Annotated[str, Path(json_schema_extra={"pattern": EXECUTION_ID["pattern"]})]


def maybe(schema: Json) -> Json:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Json) -> Json:
    """A list of these."""
    return {"type": "array", "items": items}


def choice(*values: str) -> Json:
    """One of these texts."""
    return {"enum": [value.value if isinstance(value, Enum) else value for value in values]}


def record(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


@dataclass(frozen=True)
class Answer:
    """One status. `schema` is that of its JSON; `content` has those of other media types, by media type."""

    meaning: str
    schema: Json | None = None
    content: Mapping[str, Json] = field(default_factory=dict)
    headers: Mapping[str, Json] = field(default_factory=dict)
    links: Mapping[str, Json] = field(default_factory=dict)

    def describe(self) -> Json:
        """As OpenAPI says it."""
        schemas = {JSON: self.schema} | dict(self.content)
        described: Json = {"description": self.meaning}
        parts = {
            "content": {kind: {"schema": schema} for kind, schema in schemas.items() if schema is not None},
            "headers": {name: {"required": True, "schema": schema} for name, schema in self.headers.items()},
            "links": dict(self.links),
        }
        return described | {key: part for key, part in parts.items() if part}


def link(operation_id: str, **parameters: str) -> Json:
    """What can be asked next: its operation, and where in this answer its parameters are."""
    return {"operationId": operation_id, "parameters": parameters}


_EXECUTION_LINKS = {
    name: link(name, execution_id="$response.body#/execution_id")
    for name in ("getExecution", "getExecutionOutputs", "readExecutionLogs", "deleteExecution")
}


def accepted(meaning: str, **headers: Json) -> Answer:
    """An execution was queued: its id, and what can be asked about it."""
    return Answer(meaning, record({"execution_id": EXECUTION_ID}), headers=headers, links=_EXECUTION_LINKS)


def moved(meaning: str, **headers: Json) -> Answer:
    """The id of an execution, and the URL of its result."""
    return Answer(meaning, record({"execution_id": EXECUTION_ID}), headers={"Location": URL, **headers})


EXECUTION_HEADER: dict[str, Json] = {EXECUTION_ID_HEADER: EXECUTION_ID}
ERROR: Json = record({"name": TEXT, "message": TEXT, "request_id": TEXT}, {"additional_data": {"type": "object"}})
FAILED = Answer("The execution did not succeed: the reason, and what to do about it", ERROR)


def operation(
    answers: Mapping[int, Answer | tuple[str, Json | None]],
    *,
    body: Json | None = None,
    bodies: Mapping[str, Json] | None = None,
    query: Mapping[str, Json] | None = None,
) -> dict[str, Any]:
    """Keyword arguments for the route's decorator.

    `answers`: status to an Answer, or to (what it means, schema of its JSON, None for no body); the usual one first.
    `body`: schema of the JSON body; `bodies`: by media type. `query`: parameters that the route reads by itself.
    """
    return {
        "status_code": next(iter(answers)),
        "responses": {status: describe_answer(answer) for status, answer in answers.items()},
        "response_class": Response,  # without a media type of its own: each answer names its own
        "openapi_extra": describe_request(bodies=bodies if body is None else {JSON: body}, query=query),
    }


def describe_request(*, bodies: Mapping[str, Json] | None = None, query: Mapping[str, Json] | None = None) -> Json:
    """The body by media type, and the parameters of the query."""
    extra: Json = {}
    if bodies:
        extra["requestBody"] = {"content": {kind: {"schema": schema} for kind, schema in bodies.items()}}
    if query:
        extra["parameters"] = [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
    return extra


def describe_answer(answer: Answer | tuple[str, Json | None]) -> Json:
    """As OpenAPI says it."""
    return (answer if isinstance(answer, Answer) else Answer(*answer)).describe()
