"""The documentation of one endpoint: its OpenAPI, and a page that explains it and calls it."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipeyard.api.context import environment_url
from pipeyard.api.endpoint_calls import EndpointCall, let_in
from pipeyard.api.endpoint_descriptions import describe_endpoint, endpoint_inputs, endpoint_outputs, must_be_sent
from pipeyard.api.json_answers import json_answer, to_json
from pipeyard.api.operations import Json
from pipeyard.api.snippets import TOKEN_VARIABLE, Example, curl, javascript, python
from pipeyard.domain.mappings import InputMapping, OutputMapping

# The token may be in the URL of the page: it must not travel on, nor be kept by anything between.
_HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def get_description(request: Request) -> Response:
    """`GET /endpoints/{path}/openapi.json`: OpenAPI 3.1 of this endpoint alone."""
    call = await let_in(request)
    described = describe_endpoint(call.deployment, environment_url(request), await _description(call))
    return json_answer(described, headers=_HEADERS)


async def get_page(request: Request) -> Response:
    """`GET /endpoints/{path}/docs`: the page, self-contained; what users wrote is in it as JSON alone."""
    call = await let_in(request)
    data = to_json(_page_data(call, await _description(call))).decode()
    headers = _HEADERS | {"Content-Security-Policy": _POLICY}
    return HTMLResponse(_BEFORE_DATA + _escape(data) + _AFTER_DATA, headers=headers)


async def _description(call: EndpointCall) -> str | None:
    """The deployment's, or that of its pipeline."""
    deployment = call.deployment
    if deployment.description is not None:
        return deployment.description
    pipeline = await call.hub.pipelines.get(deployment.environment_id, deployment.pipeline_name)
    return pipeline.declaration.description


def _page_data(call: EndpointCall, description: str | None) -> Json:
    inputs, outputs = endpoint_inputs(call.deployment), endpoint_outputs(call.deployment)
    example = Example.of(call.url, inputs, outputs)
    return {
        "name": call.deployment.endpoint_url_path,
        "description": description,
        "url": call.url,
        "is_enabled": call.deployment.is_enabled,
        "inputs": [_input(mapping) for mapping in inputs],
        "outputs": [_output(mapping) for mapping in outputs],
        "token_variable": TOKEN_VARIABLE,
        "snippets": {"curl": curl(example), "Python": python(example), "JavaScript": javascript(example)},
    }


def _input(mapping: InputMapping) -> Json:
    return {
        "name": mapping.at,
        "type": mapping.data_type.value,
        "description": mapping.description,
        "is_required": must_be_sent(mapping),
        "default": mapping.default_value,
    }


def _output(mapping: OutputMapping) -> Json:
    return {"name": mapping.at, "type": mapping.data_type.value, "description": mapping.description}


def _escape(json_text: str) -> str:
    """For a script element: nothing in it can end the element or begin another."""
    return json_text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_PAGES = files("pipeyard.api") / "pages"
_STYLE = (_PAGES / "endpoint.css").read_text(encoding="utf-8")
_SCRIPT = (_PAGES / "endpoint.js").read_text(encoding="utf-8")
_BEFORE_DATA, _AFTER_DATA = (
    (_PAGES / "endpoint.html")
    .read_text(encoding="utf-8")
    .replace("/* endpoint.css */", _STYLE)
    .replace("/* endpoint.js */", _SCRIPT)
    .split("{/* data */}")
)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'sha256-{_hash(_SCRIPT)}'",
        f"style-src 'sha256-{_hash(_STYLE)}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
