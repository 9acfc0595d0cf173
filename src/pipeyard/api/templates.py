"""Routes of pipeline templates."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Place
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import FLAG, TEXT, Name, array, operation, record
from pipeyard.api.shapes import declared_shape, input_mapping_shape, output_mapping_shape
from pipeyard.domain.mappings import InputMapping, OutputMapping
from pipeyard.domain.templates import HOSTING_TYPES, Template

router = APIRouter(tags=["Pipelines"])

_ROW = {
    "name": TEXT,
    "version": TEXT,
    "enabled": FLAG,
    "display_name": TEXT,
    "description": TEXT,
    "hosting_type": {"enum": list(HOSTING_TYPES)},
    "model_family": TEXT,
}
_MAPPINGS = ("recommended_inputs_mapping", "recommended_outputs_mapping")
_ITEMS = array({"type": "object"})
_DETAILS = record(_ROW | dict.fromkeys(("inputs", "outputs", *_MAPPINGS), _ITEMS))


@router.get(
    "/pipeline-templates",
    summary="Templates to create pipelines from",
    **operation({200: ("By name", record({"pipeline_templates": array(record(_ROW))}))}),
)
async def list_templates(hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Those that come with Pipeyard, and the operator's own."""
    return json_answer({"pipeline_templates": [_row(template) for template in hub.templates.list()]})


@router.get("/pipeline-templates/{name}", summary="One template", **operation({200: ("The template", _DETAILS)}))
async def get_template(name: Name, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """With its inputs and outputs, and mappings that suit a deployment."""
    template = hub.templates.get(name)
    details = {
        "inputs": [declared_shape(declared) for declared in template.declaration.inputs],
        "outputs": [declared_shape(declared) for declared in template.declaration.outputs],
        "recommended_inputs_mapping": [_input_mapping(mapping) for mapping in template.inputs_mapping],
        "recommended_outputs_mapping": [_output_mapping(mapping) for mapping in template.outputs_mapping],
    }
    return json_answer(_row(template) | details)


def _row(template: Template) -> dict[str, Any]:
    return asdict(template.reference) | {"enabled": template.is_enabled}


def _input_mapping(mapping: InputMapping) -> dict[str, Any]:
    return input_mapping_shape(mapping) | {"source": mapping.source.value, "value": mapping.at}


def _output_mapping(mapping: OutputMapping) -> dict[str, Any]:
    return output_mapping_shape(mapping) | {"destination": mapping.destination.value, "value": mapping.at}
