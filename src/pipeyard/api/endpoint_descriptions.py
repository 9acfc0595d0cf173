"""OpenAPI of one endpoint: the general description of endpoints with the types of this one in it."""

from __future__ import annotations

from typing import Any

from pipeyard.api.endpoint_operations import ENDPOINT_TOKENS, describe_endpoints
from pipeyard.api.operations import (
    ANY,
    BYTES,
    EXECUTION_ID,
    FILE,
    FLAG,
    JSON,
    MULTIPART,
    NUMBER,
    TEXT,
    URL,
    Json,
    array,
    choice,
    maybe,
    record,
)
from pipeyard.clock import to_wire
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.mappings import InputMapping, OutputMapping
from pipeyard.domain.values import DataType

_TYPES: dict[DataType, Json] = {
    DataType.STRING: TEXT,
    DataType.NUMBER: NUMBER,
    DataType.BOOLEAN: FLAG,
    DataType.JSON: ANY,
    DataType.ARRAY: array(ANY),
    DataType.FILE: FILE,
}


def endpoint_inputs(deployment: Deployment) -> list[InputMapping]:
    """What a call gives."""
    return [mapping for mapping in deployment.inputs_mapping if mapping.is_of_endpoint]


def endpoint_outputs(deployment: Deployment) -> list[OutputMapping]:
    """What a call gets."""
    return [mapping for mapping in deployment.outputs_mapping if mapping.is_of_endpoint]


def must_be_sent(mapping: InputMapping) -> bool:
    """Whether a call without it is refused."""
    return mapping.is_required and mapping.default_value is None


def describe_endpoint(deployment: Deployment, environment_url: str, description: str | None) -> Json:
    """OpenAPI 3.1: how to call it, and how to get a result that came later."""
    base = f"/endpoints/{deployment.endpoint_url_path}"
    general = {path.replace("/endpoints/{path}", base): methods for path, methods in describe_endpoints().items()}
    execution = f"{base}/executions/{{execution_id}}"
    wanted = [(base, "post"), (execution, "get"), (f"{execution}/outputs/{{name}}", "get")]
    paths = {path: {method: _own(general[path][method])} for path, method in wanted}
    result = _result_content(endpoint_outputs(deployment))
    paths[base]["post"]["requestBody"] = _request_body(endpoint_inputs(deployment))
    for operation in (paths[base]["post"], paths[execution]["get"]):
        operation["responses"]["200"]["content"] = result
    return {
        "openapi": "3.1.0",
        "info": {
            "title": deployment.endpoint_url_path,
            "version": to_wire(deployment.updated_at),
            "description": description or "",
        },
        "servers": [{"url": environment_url}],
        "paths": paths,
        "components": {"securitySchemes": ENDPOINT_TOKENS},
    }


def _own(operation: Json) -> Json:
    """Without the parameter that this endpoint has fixed, links to what is left out, and tokens of other people."""
    responses = {
        status: {key: part for key, part in response.items() if key != "links"}
        for status, response in operation["responses"].items()
    }
    return operation | {
        "parameters": [parameter for parameter in operation["parameters"] if parameter["name"] != "path"],
        "responses": responses,
        "security": [{name: []} for name in ENDPOINT_TOKENS],
    }


def _request_body(inputs: list[InputMapping]) -> Json:
    """JSON unless a file must come with it; a form in any case."""
    required = [mapping.at for mapping in inputs if must_be_sent(mapping)]
    files = {mapping.at for mapping in inputs if mapping.data_type is DataType.FILE}
    values = [mapping for mapping in inputs if mapping.at not in files]
    content: Json = {}
    if files.isdisjoint(required):
        content[JSON] = {"schema": _object({mapping.at: _value_schema(mapping) for mapping in values}, required)}
    # In a form strings are bare text, and a part without a value is left out.
    content[MULTIPART] = {
        "schema": _object({mapping.at: _schema(mapping) for mapping in inputs}, required),
        "encoding": {
            mapping.at: {"contentType": JSON} for mapping in values if mapping.data_type is not DataType.STRING
        },
    }
    return {"required": bool(required), "content": content}


def _object(properties: Json, required: list[str]) -> Json:
    """What is no input is ignored."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": True}


def _schema(mapping: InputMapping) -> Json:
    return _TYPES[mapping.data_type] | _notes(mapping.description, mapping.default_value)


def _value_schema(mapping: InputMapping) -> Json:
    """In JSON null is as good as absent."""
    if must_be_sent(mapping) or mapping.data_type is DataType.JSON:
        return _schema(mapping)
    return maybe(_TYPES[mapping.data_type]) | _notes(mapping.description, mapping.default_value)


def _notes(description: str | None, default: Any = None) -> Json:
    notes = {"description": description, "default": default}
    return {key: note for key, note in notes.items() if note is not None}


def _result_content(outputs: list[OutputMapping]) -> Json:
    """A lone file is the whole answer."""
    if [mapping.data_type for mapping in outputs] == [DataType.FILE]:
        return {BYTES: {"schema": FILE | _notes(outputs[0].description)}, JSON: {"schema": {"type": "null"}}}
    values = record({mapping.at: _output_schema(mapping) for mapping in outputs})
    result = {"status": choice("Succeeded"), "execution_id": EXECUTION_ID, "outputs": values, "output": values}
    return {JSON: {"schema": record(result)}}


def _output_schema(mapping: OutputMapping) -> Json:
    """A file is the URL of its bytes, which the endpoint token opens; every output may be null."""
    kind = URL if mapping.data_type is DataType.FILE else _TYPES[mapping.data_type]
    return maybe(kind) | _notes(mapping.description)
