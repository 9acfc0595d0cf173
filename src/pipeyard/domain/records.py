"""The JSON forms in which mappings, declarations and failures are stored: the store's own, not the wire's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Any

from pipeyard.domain.executions import Failure
from pipeyard.domain.mappings import Destination, InputMapping, OutputMapping, Source
from pipeyard.domain.pipelines import ContainerConfig, Input, Output, PipelineDeclaration, TemplateReference
from pipeyard.domain.pods import PodFailure
from pipeyard.domain.values import DataType

Mappings = tuple[tuple[InputMapping, ...], tuple[OutputMapping, ...]]


def mappings_to_json(inputs: Sequence[InputMapping], outputs: Sequence[OutputMapping]) -> str:
    """One text for all mappings of a deployment or an execution."""
    return _dump(
        {
            "inputs": [
                [m.input_name, m.data_type, m.source, m.at, m.is_required, m.default_value, m.description]
                for m in inputs
            ],
            "outputs": [[m.output_name, m.data_type, m.destination, m.at, m.description] for m in outputs],
        }
    )


def mappings_from_json(text: str) -> Mappings:
    """The inverse of `mappings_to_json`."""
    record = json.loads(text)
    inputs = tuple(
        InputMapping(name, DataType(data_type), Source(source), at, required, default, description)
        for name, data_type, source, at, required, default, description in record["inputs"]
    )
    outputs = tuple(
        OutputMapping(name, DataType(data_type), Destination(destination), at, description)
        for name, data_type, destination, at, description in record["outputs"]
    )
    return inputs, outputs


def declaration_to_json(declaration: PipelineDeclaration) -> str:
    """A pipeline's declaration as one text."""
    return _dump(
        {
            "name": declaration.name,
            "function_path": declaration.function_path,
            "function_name": declaration.function_name,
            "description": declaration.description,
            "inputs": [
                [i.name, i.data_type, i.description, i.is_required, i.default_value] for i in declaration.inputs
            ],
            "outputs": [[o.name, o.data_type, o.description] for o in declaration.outputs],
            "container_config": asdict(declaration.container_config),
        }
    )


def declaration_from_json(text: str) -> PipelineDeclaration:
    """The inverse of `declaration_to_json`."""
    record = json.loads(text)
    return PipelineDeclaration(
        name=record["name"],
        function_path=record["function_path"],
        function_name=record["function_name"],
        description=record["description"],
        inputs=tuple(
            Input(name, DataType(data_type), description, required, default)
            for name, data_type, description, required, default in record["inputs"]
        ),
        outputs=tuple(
            Output(name, DataType(data_type), description) for name, data_type, description in record["outputs"]
        ),
        container_config=_config(record["container_config"]),
    )


def config_to_json(config: ContainerConfig) -> str:
    """A container config as one text."""
    return _dump(asdict(config))


def config_from_json(text: str) -> ContainerConfig:
    """The inverse of `config_to_json`."""
    return _config(json.loads(text))


def _config(record: dict[str, Any]) -> ContainerConfig:
    folders, packages = record["included_folders"], record["system_dependencies"]
    lists = {"included_folders": None if folders is None else tuple(folders), "system_dependencies": tuple(packages)}
    return ContainerConfig(**(record | lists))


def template_to_json(template: TemplateReference) -> str:
    """A reference to a template as one text."""
    return _dump(asdict(template))


def template_from_json(text: str) -> TemplateReference:
    """The inverse of `template_to_json`."""
    return TemplateReference(**json.loads(text))


def failure_to_json(failure: Failure | None) -> str | None:
    """A failure as one text; None stays None."""
    if failure is None:
        return None
    return _dump(astuple(failure))


def pod_failure_to_json(failure: PodFailure) -> str:
    """Why a pod ended, as one text."""
    return _dump([astuple(failure.failure), failure.at.isoformat(), failure.pod_id])


def pod_failure_from_json(text: str | None) -> PodFailure | None:
    """The inverse of `pod_failure_to_json`; None stays None."""
    if text is None:
        return None
    failure, at, pod_id = json.loads(text)
    return PodFailure(Failure(*failure), datetime.fromisoformat(at), pod_id)


def failure_from_json(text: str | None) -> Failure | None:
    """The inverse of `failure_to_json`; what an older version did not write is None."""
    return None if text is None else Failure(*json.loads(text))


def _dump(record: object) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)
