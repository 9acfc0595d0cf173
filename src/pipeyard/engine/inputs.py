"""The input values of an execution at its start: variables are read now, files are sent ahead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeyard.domain.executions import PendingExecution
from pipeyard.domain.mappings import Source
from pipeyard.domain.records import mappings_from_json
from pipeyard.domain.values import DataType, fits
from pipeyard.errors import InvalidInputError
from pipeyard.pod.depth import is_too_deep


@dataclass(frozen=True)
class PodInputs:
    """What goes to the pod."""

    values_json: bytes
    files: tuple[str, ...]


def read_inputs(execution: PendingExecution, variables: Mapping[str, str]) -> PodInputs:
    """Complete the stored values. Raises InvalidInputError when a variable is missing or of the wrong type."""
    inputs, _ = mappings_from_json(execution.mappings_json)
    files = tuple(
        mapping.input_name
        for mapping in inputs
        if mapping.data_type is DataType.FILE and mapping.source in (Source.ENDPOINT, Source.RUN)
    )
    mapped = [mapping for mapping in inputs if mapping.source is Source.ENVIRONMENT_VARIABLE]
    if not mapped:
        return PodInputs(execution.input_values_json.encode(), files)
    values: dict[str, Any] = json.loads(execution.input_values_json)
    for mapping in mapped:
        if mapping.at not in variables:
            raise InvalidInputError(
                mapping.input_name, f"is mapped to the environment variable {mapping.at}, which does not exist"
            )
        values[mapping.input_name] = _convert(mapping.input_name, mapping.data_type, variables[mapping.at])
    return PodInputs(json.dumps(values).encode(), files)


def _convert(name: str, data_type: DataType, text: str) -> Any:
    """A variable is text; an input of another type gets the JSON value that the text spells."""
    if data_type is DataType.STRING:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if data_type is DataType.JSON:
            return text
        value = None
    if value is None or is_too_deep(value) or not fits(data_type, value):
        raise InvalidInputError(name, f"the variable's text is not of type {data_type.value}")
    return value
