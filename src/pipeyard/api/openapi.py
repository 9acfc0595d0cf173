"""What OpenAPI says beyond the routes: request bodies, which we read by ourselves, and the endpoints' own URLs."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI

from pipeyard.wire import API_PREFIX

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_WHOLE: Json = {"type": "integer", "minimum": 1}
_FILE: Json = {"type": "string", "format": "binary"}
_LOG_RANGE: Json = {
    "type": "object",
    "properties": {
        "from": {"type": "integer", "description": "milliseconds since 1970, included"},
        "to": {"type": "integer", "description": "milliseconds since 1970, excluded"},
        "limit": _WHOLE,
    },
}
_MAPPINGS: Json = {"type": "array", "items": {"type": "object"}}
_DEPLOYMENT: Json = {
    "type": "object",
    "required": ["name", "pipeline_name"],
    "properties": {
        "name": _TEXT,
        "pipeline_name": _TEXT,
        "mode": {"type": "string", "enum": ["elastic", "low_latency"], "default": "elastic"},
        "description": _TEXT,
        "endpoint_url_path": _TEXT,
        "endpoint_token": _TEXT,
        "inputs_mapping": _MAPPINGS,
        "outputs_mapping": _MAPPINGS,
        "enable_parallel_executions": {"type": "boolean"},
        "max_parallel_executions_per_pod": _WHOLE,
        "ram_request": {"type": "string", "examples": ["512MiB", "1GiB"]},
        "gpu_request": {"type": "integer", "minimum": 0},
        "execution_timeout_s": _WHOLE,
    },
}
_PIPELINE: Json = {
    "type": "object",
    "required": ["pipeline_name", "function_path", "function_name", "step_file"],
    "properties": {
        "pipeline_name": _TEXT,
        "function_path": _TEXT,
        "function_name": _TEXT,
        "description": _TEXT,
        "container_config[language]": {"type": "string", "examples": ["python:3.11-slim"]},
        "container_config[requirements_path]": _TEXT,
        "inputs[0][name]": _TEXT,
        "inputs[0][data_type]": {"enum": ["string", "number", "boolean", "json", "array", "file"]},
        "outputs[0][name]": _TEXT,
        "outputs[0][data_type]": {"enum": ["string", "number", "boolean", "json", "array", "file"]},
        "step_file": _FILE | {"description": "the code, a gzip tar"},
    },
}
_RUN: Json = {
    "type": "object",
    "properties": {
        "json_inputs": {"type": "string", "description": "JSON object of the values"},
        "inputs_mapping": {"type": "string", "description": "JSON list"},
        "outputs_mapping": {"type": "string", "description": "JSON list"},
    },
    "additionalProperties": _FILE,
}
_INPUTS: Json = {"type": "object", "description": "values by endpoint input name", "additionalProperties": True}
_UPDATE: Json = {"type": "object", "properties": {"is_enabled": {"type": "boolean"}}}
_VARIABLES: Json = {
    "type": "object",
    "required": ["environment_variables"],
    "properties": {"environment_variables": {"type": "object", "additionalProperties": _TEXT}},
}
_REFRESH: Json = {"type": "object", "required": ["refresh_token"], "properties": {"refresh_token": _TEXT}}
_TOKEN: Json = {"type": "object", "properties": {"endpoint_token": _TEXT}}

_JSON, _FORM, _MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_BODIES: dict[tuple[str, str], dict[str, Json]] = {
    ("post", "/auth/refresh"): {_JSON: _REFRESH},
    ("post", "/pipelines"): {_MULTIPART: _PIPELINE},
    ("post", "/pipelines/{name}/run"): {_FORM: _RUN, _MULTIPART: _RUN},
    ("post", "/pipelines/{name}/logs"): {_JSON: _LOG_RANGE},
    ("post", "/executions/{execution_id}/logs"): {_JSON: _LOG_RANGE},
    ("post", "/endpoints"): {_JSON: _DEPLOYMENT},
    ("post", "/endpoints/{name}/generate-new-token"): {_FORM: _TOKEN},
    ("patch", "/deployments/{name}"): {_JSON: _UPDATE},
    ("post", "/deployments/{name}/logs"): {_JSON: _LOG_RANGE},
    ("post", "/deployments/{name}/executions"): {_JSON: _INPUTS, _MULTIPART: _INPUTS},
    ("put", "/environment-variables"): {_JSON: _VARIABLES},
}
_HELD = "Still open when the hold passed: the same URL again"
_STATUSES: dict[tuple[str, str], dict[str, str]] = {
    ("post", f"{API_PREFIX}/pipelines"): {"206": "Accepted, being built", "201": "Ready"},
    ("post", f"{API_PREFIX}/pipelines/{{name}}/run"): {"202": "Queued"},
    ("post", f"{API_PREFIX}/endpoints"): {"201": "Up", "206": "Accepted, its pod is starting"},
    ("post", f"{API_PREFIX}/deployments/{{name}}/executions"): {"202": "Queued"},
    ("put", f"{API_PREFIX}/environment-variables"): {"204": "Stored"},
    ("get", f"{API_PREFIX}/executions/{{execution_id}}/outputs"): {"200": "Succeeded", "307": _HELD},
    ("post", "/endpoints/{path}"): {"200": "The result", "303": "Accepted; the result is at Location"},
    ("get", "/endpoints/{path}/executions/{execution_id}"): {"200": "The result", "303": _HELD},
    ("get", "/endpoints/v1/{path}/executions/{execution_id}"): {"200": "The result", "307": _HELD},
}
_POINTER = re.compile(r" \(wire\.md [\d.]+\)")
_PUBLIC = {"/auth/refresh", "/health", "/environment-info", "/pipelines/{name}/archive"}


def describe(app: FastAPI) -> None:
    """Complete the application's OpenAPI."""
    generate = app.openapi

    def complete() -> Json:
        if app.openapi_schema is None:
            schema = generate()
            _add_bodies(schema["paths"])
            schema["paths"].update(_endpoint_paths())
            _polish(schema["paths"])
            _add_security(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _polish(paths: Json) -> None:
    """Statuses other than 200, and no pointers into our own reference."""
    for (method, path), statuses in _STATUSES.items():
        responses = paths[path][method]["responses"]
        success = responses.pop("200", {"description": "Successful Response"})
        responses |= {status: success | {"description": text} for status, text in statuses.items()}
    for operations in paths.values():
        for operation in operations.values():
            operation["description"] = _POINTER.sub("", operation.get("description", ""))


def _add_bodies(paths: Json) -> None:
    for (method, path), contents in _BODIES.items():
        content = {media_type: {"schema": schema} for media_type, schema in contents.items()}
        paths[API_PREFIX + path][method]["requestBody"] = {"content": content}


def _add_security(schema: Json) -> None:
    schema.setdefault("components", {})["securitySchemes"] = {
        "access_token": {"type": "http", "scheme": "bearer", "description": "from POST /auth/refresh"},
        "endpoint_token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "EndpointToken <endpoint token>",
        },
    }
    for path, operations in schema["paths"].items():
        needed: list[dict[str, list[str]]]
        if path.startswith("/endpoints"):
            needed = [{"endpoint_token": []}, {"access_token": []}]
        elif path.removeprefix(API_PREFIX) in _PUBLIC:
            needed = []
        else:
            needed = [{"access_token": []}]
        for operation in operations.values():
            operation["security"] = needed


def _endpoint_paths() -> Json:
    trigger = {
        "summary": "Call an endpoint",
        "description": "Held until the result: 200. 303 to the result when the hold passes, for "
        "`Prefer: respond-async`, and for clients that send the header craft-ai-client.",
        "requestBody": {"content": {_JSON: {"schema": _INPUTS}, _MULTIPART: {"schema": _INPUTS}}},
    }
    result = {"summary": "The result of a call", "description": "Held; 303 to itself while it is open."}
    versioned = {
        "summary": "The result of a call, each value wrapped",
        "description": "Held; 307 to itself while it is open.",
    }
    content = {"summary": "One output of a call", "description": "The bytes of a file, or a bare JSON value."}
    base, execution = "/endpoints/{path}", "/executions/{execution_id}"
    return {
        base: {"post": _operation(trigger, "path")},
        f"{base}{execution}": {"get": _operation(result, "path", "execution_id")},
        f"/endpoints/v1/{{path}}{execution}": {"get": _operation(versioned, "path", "execution_id")},
        f"{base}{execution}/outputs/{{name}}": {"get": _operation(content, "path", "execution_id", "name")},
        f"/endpoints/v1/{{path}}{execution}/outputs/{{name}}": {
            "get": _operation(content, "path", "execution_id", "name")
        },
    }


def _operation(described: Json, *parameters: str) -> Json:
    return described | {
        "tags": ["Endpoints"],
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in parameters],
        "responses": {"200": {"description": "Successful Response"}},
    }
