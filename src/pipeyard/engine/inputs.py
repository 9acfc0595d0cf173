"""The input values of an execution at its start: variables are read now, files are looked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeyard.domain.executions import PendingExecution, file_input_path
from pipeyard.domain.mappings import InputMapping, Source
from pipeyard.domain.records import mappings_from_json
from pipeyard.domain.values import DataType, fits
from pipeyard.errors import InvalidInputError
from pipeyard.pod.depth import is_too_deep
from pipeyard.ports import DataStore


@dataclass(frozen=True)
class PodInputs:
    """What goes to the pod."""

    values_json: bytes
    files: Mapping[str, str]  # input to its path in the data store


async def read_inputs(execution: PendingExecution, variables: Mapping[str, str], files: DataStore) -> PodInputs:
    """Complete the stored values. Raises InvalidInputError when a variable or an object is missing or unusable."""
    mappings, _ = mappings_from_json(execution.mappings_json)
    found: dict[str, str] = {}
    added: dict[str, Any] = {}
    for mapping in mappings:
        if mapping.source is Source.ENVIRONMENT_VARIABLE:
            added[mapping.input_name] = _read_variable(mapping, variables)
        elif mapping.data_type is DataType.FILE and (path := file_input_path(execution, mapping)) is not None:
            if await files.find(path) is not None:
                found[mapping.input_name] = path
            elif mapping.source is Source.DATASTORE:
                raise InvalidInputError(
                    mapping.input_name,
                    f'is mapped to the object "{mapping.at}" of the data store, which does not exist',
                )
            else:
                added[mapping.input_name] = None  # none was sent
    if not added:
        return PodInputs(execution.input_values_json.encode(), found)
    return PodInputs(json.dumps(json.loads(execution.input_values_json) | added).encode(), found)


def _read_variable(mapping: InputMapping, variables: Mapping[str, str]) -> Any:
    """A variable is text; an input of another type gets the JSON value that the text spells."""
    name, data_type = mapping.input_name, mapping.data_type
    if mapping.at not in variables:
        raise InvalidInputError(name, f"is mapped to the environment variable {mapping.at}, which does not exist")
    text = variables[mapping.at]
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
