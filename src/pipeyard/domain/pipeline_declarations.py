"""Reading what a user sends to create a pipeline: every field checked, every refusal says what is allowed."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pipeyard.domain.container_configs import read_container_config
from pipeyard.domain.names import check_free_text, check_keys, check_name, check_text
from pipeyard.domain.paths import check_path
from pipeyard.domain.pipelines import ContainerConfig, Input, Output, PipelineDeclaration
from pipeyard.domain.values import DATA_TYPES, DataType, check_data_type, check_value
from pipeyard.errors import InvalidInputError

INPUTS_LIMIT = 200
NAME_LENGTH_LIMIT = 100

FIELDS = ("pipeline_name", "function_path", "function_name", "description", "container_config", "inputs", "outputs")
INPUT_KEYS = ("name", "data_type", "description", "is_required", "default_value")
OUTPUT_KEYS = ("name", "data_type", "description")
# The other parts of the form that runs a pipeline (wire.md 3.4): a file of that name could not be told from them.
RUN_PARTS = ("json_inputs", "inputs_mapping", "outputs_mapping")

_PROJECT = ContainerConfig()
Declared = TypeVar("Declared", Input, Output)


def read_declaration(fields: Mapping[str, Any], project: ContainerConfig = _PROJECT) -> PipelineDeclaration:
    """The declaration in the decoded body of a creation, its archive left out.

    `project` has what an absent `container_config` key falls back on. Raises InvalidInputError naming the field.
    """
    name = check_name("pipeline_name", fields.get("pipeline_name"))
    if fields.get("pipeline_template_name") is not None:
        raise InvalidInputError(
            "pipeline_template_name", "is sent in a form", "JSON with pipeline_name and pipeline_template_name alone"
        )
    check_keys("", fields, (*FIELDS, "pipeline_template_name"), FIELDS)
    config = read_container_config(fields.get("container_config"), project)
    return PipelineDeclaration(
        name=name,
        function_path=_function_path(fields.get("function_path")),
        function_name=_function_name(fields.get("function_name")),
        description=_description("description", fields.get("description")),
        inputs=_declared("inputs", fields.get("inputs"), _input),
        outputs=_declared("outputs", fields.get("outputs"), _output),
        container_config=config,
    )


def _function_path(value: object) -> str:
    if value is None or value == "":
        raise InvalidInputError(
            "function_path", "is missing", "the path of the file with the function, for example src/main.py"
        )
    path = check_path("function_path", value)
    if not path.endswith(".py") or path.rsplit("/", 1)[-1] == ".py":
        raise InvalidInputError("function_path", f'"{path}" is not a Python file', "a path that ends in .py")
    return path


def _function_name(value: object) -> str:
    if value is None or value == "":
        raise InvalidInputError("function_name", "is missing", "the name of a function in the file function_path")
    name = check_text("function_name", value)
    if not _is_identifier(name) or len(name) > NAME_LENGTH_LIMIT:
        raise InvalidInputError(
            "function_name",
            f'"{name[:120]}" cannot be the name of a function',
            f"the name of a function at the top level of the file, at most {NAME_LENGTH_LIMIT} characters",
        )
    return name


def _description(field: str, value: object) -> str | None:
    return None if value is None else check_free_text(field, value)


def _declared(field: str, items: object, read: Callable[[str, Mapping[str, Any]], Declared]) -> tuple[Declared, ...]:
    if items is None:
        return ()
    if not isinstance(items, list):
        raise InvalidInputError(field, "must be a list", f"{field}[0], {field}[1]... without gaps")
    if len(items) > INPUTS_LIMIT:
        raise InvalidInputError(field, f"has {len(items)} entries", f"at most {INPUTS_LIMIT}")
    seen: dict[str, int] = {}
    declared = []
    for index, item in enumerate(items):
        place = f"{field}[{index}]"
        if not isinstance(item, Mapping):
            raise InvalidInputError(place, f"must be an object, got {type(item).__name__}", "name, data_type...")
        one = read(place, item)
        if one.name in seen:
            raise InvalidInputError(
                f"{place}.name", f'"{one.name}" is declared by {field}[{seen[one.name]}] too', "a name of its own"
            )
        seen[one.name] = index
        declared.append(one)
    return tuple(declared)


def _input(place: str, item: Mapping[str, Any]) -> Input:
    check_keys(place, item, INPUT_KEYS)
    name = check_name(f"{place}.name", item.get("name"))
    if not _is_identifier(name):
        raise InvalidInputError(
            f"{place}.name",
            f'"{name}" cannot be the name of a parameter, and inputs are passed to the function by their names',
            "letters, digits and _, the first a letter, and no word that Python reserves",
        )
    data_type = _data_type(place, item)
    if data_type is DataType.FILE and name in RUN_PARTS:
        raise InvalidInputError(
            f"{place}.name", f'"{name}" is reserved, a file of that name could not be sent', "any other name"
        )
    required = item.get("is_required")
    if required is not None and not isinstance(required, bool):
        raise InvalidInputError(f"{place}.is_required", f"{str(required)[:40]!r} is not usable", "true or false")
    default = item.get("default_value")
    if default is not None:
        _check_default(f"{place}.default_value", data_type, default)
    return Input(
        name, data_type, _description(f"{place}.description", item.get("description")), bool(required), default
    )


def _output(place: str, item: Mapping[str, Any]) -> Output:
    for key in ("is_required", "default_value"):
        if key in item:
            raise InvalidInputError(f"{place}.{key}", "only applies to an input", ", ".join(OUTPUT_KEYS))
    check_keys(place, item, OUTPUT_KEYS)
    name = check_name(f"{place}.name", item.get("name"))
    description = _description(f"{place}.description", item.get("description"))
    return Output(name, _data_type(place, item), description)


def _data_type(place: str, item: Mapping[str, Any]) -> DataType:
    value = item.get("data_type")
    if value is None or value == "":
        raise InvalidInputError(f"{place}.data_type", "is missing", DATA_TYPES)
    return check_data_type(f"{place}.data_type", check_text(f"{place}.data_type", value))


def _check_default(field: str, data_type: DataType, default: object) -> None:
    if data_type is DataType.FILE:
        raise InvalidInputError(field, "a file input has no default value", "leave it out")
    check_value(field, data_type, default)


def _is_identifier(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)
