"""Pipelines and mappings as they are written on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeyard import clock
from pipeyard.cli.failures import CommandLineError
from pipeyard.cli.texts import read_text
from pipeyard.errors import InvalidInputError
from pipeyard.sdk.declarations import Input, InputSource, Output, OutputDestination

if TYPE_CHECKING:
    from pipeyard import CraftAiSdk

TYPES = ("string", "number", "boolean", "json", "array", "file")
SOURCES = "endpoint:NAME, env:VARIABLE, const:JSON, data:PATH, null"
DESTINATIONS = "endpoint:NAME, data:PATH, null"


@dataclass(frozen=True)
class PipelineRequest:
    """What `pipeline create` was told; None is not told."""

    name: str
    folder: Path | None
    repository: str | None
    branch: str | None
    deploy_key: Path | None
    template: str | None
    function: str | None
    inputs: Sequence[Input] | None
    outputs: Sequence[Output] | None
    description: str | None
    language: str | None
    requirements: str | None
    system_dependencies: Sequence[str] | None
    memory: str | None = None

    @property
    def origin(self) -> str:
        """The one option that says where the code is. Raises InvalidInputError."""
        named = {"--folder": self.folder, "--repository": self.repository, "--template": self.template}
        given = [option for option, value in named.items() if value is not None]
        if len(given) != 1:
            problem = f"{' and '.join(given)} were given" if given else "nothing says where the code is"
            raise CommandLineError("pipeline create", problem, "one of --folder, --repository, --template")
        return given[0]

    @property
    def container_config(self) -> dict[str, Any]:
        """What was told of it."""
        told = {
            "repository_url": self.repository,
            "repository_branch": self.branch,
            "repository_deploy_key": None if self.deploy_key is None else read_text(self.deploy_key),
            "language": self.language,
            "requirements_path": self.requirements,
            "system_dependencies": None if self.system_dependencies is None else list(self.system_dependencies),
            "ram_request": self.memory,
        }
        return {key: value for key, value in told.items() if value is not None}


def create_pipeline(sdk: CraftAiSdk, request: PipelineRequest, *, wait: bool) -> dict[str, Any]:
    """The pipeline. Raises InvalidInputError before anything is sent."""
    if request.origin == "--template":
        made = sdk.create_pipeline(request.name, pipeline_template_name=request.template, wait_for_completion=wait)
    elif request.origin == "--repository":
        file, _, function = (request.function or "").rpartition(":")
        if not file or not function:
            raise CommandLineError("--function", "is needed with --repository", "FILE.py:FUNCTION")
        made = sdk.create_pipeline(
            request.name,
            file,
            function,
            request.description,
            request.container_config,
            request.inputs,
            request.outputs,
            wait_for_completion=wait,
        )
    else:
        made = _create_from_folder(sdk, request, wait)
    return dict(made)


def _create_from_folder(sdk: CraftAiSdk, request: PipelineRequest, wait: bool) -> Any:
    """What is not told is read from the code."""
    from pipeyard.cli.deploying.folders import find_function
    from pipeyard.cli.deploying.plans import make_plan

    folder = request.folder
    assert folder is not None
    if request.inputs is None or request.outputs is None:
        plan = make_plan(folder, request.name, request.function, sdk.list_languages)
        with plan.staged() as staged:
            return sdk.create_pipeline(
                request.name,
                plan.entry_path,
                plan.function_name,
                request.description or plan.signature.description,
                plan.container_config(staged) | request.container_config,
                request.inputs if request.inputs is not None else plan.signature.inputs,
                request.outputs if request.outputs is not None else plan.signature.outputs,
                wait_for_completion=wait,
            )
    source, function = find_function(folder, request.function)
    return sdk.create_pipeline(
        request.name,
        source.path.as_posix(),
        function.name,
        request.description,
        {"local_folder": str(folder), "included_folders": ["/"], **request.container_config},
        request.inputs,
        request.outputs,
        wait_for_completion=wait,
    )


def read_input(text: str) -> Input:
    """`images:array`, `count:number=3`, `note?:string`. Raises InvalidInputError."""
    declared, has_default, default = text.partition("=")
    name, _, data_type = declared.partition(":")
    _check_type("--input", text, name, data_type)
    try:
        default_value = read_value(f"--input {name}", data_type, default) if has_default else None
    except InvalidInputError as error:
        raise CommandLineError(error.field, error.problem, error.allowed) from None
    is_required = not (has_default or name.endswith("?"))
    return Input(name.removesuffix("?"), data_type, is_required=is_required, default_value=default_value)


def read_output(text: str) -> Output:
    """`digits:array`. Raises InvalidInputError."""
    name, _, data_type = text.partition(":")
    _check_type("--output", text, name, data_type)
    return Output(name, data_type)


def _check_type(option: str, text: str, name: str, data_type: str) -> None:
    if not name or data_type not in TYPES:
        raise CommandLineError(option, f'"{text}" is not NAME:TYPE', f"a type out of {', '.join(TYPES)}")


def read_value(field: str, data_type: str, text: str) -> Any:
    """The value of that type; `null` is none, but for strings. Raises InvalidInputError."""
    if data_type == "string":
        return text
    if data_type == "file":
        raise InvalidInputError(field, "is a file", "@PATH")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {"True": True, "False": False}.get(text) if data_type == "boolean" else None
        if value is None:
            raise InvalidInputError(field, f'"{text[:60]}" is not of type {data_type}', _EXAMPLES[data_type]) from None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {"number": is_number, "boolean": isinstance(value, bool), "array": isinstance(value, list), "json": True}
    if value is not None and not fits[data_type]:
        raise InvalidInputError(field, f'"{text[:60]}" is not of type {data_type}', _EXAMPLES[data_type])
    return value


_EXAMPLES = {
    "number": "such as 1.5",
    "boolean": "true, false",
    "array": "JSON such as [1, 2]",
    "json": 'JSON such as {"a": 1} or "text"',
}


def read_source(text: str) -> InputSource:
    """`name=env:VARIABLE` and the like. Raises InvalidInputError."""
    name, kind, value = _read_mapping("--map-input", text, SOURCES)
    if kind == "null":
        return InputSource(name, is_null=True)
    if kind == "const":
        try:
            return InputSource(name, constant_value=json.loads(value))
        except (ValueError, RecursionError):
            allowed = 'const:JSON, a text in quotes: const:"text"'
            raise CommandLineError("--map-input", f'"{value[:60]}" is not JSON', allowed) from None
    key = {"endpoint": "endpoint_input_name", "env": "environment_variable_name", "data": "datastore_path"}.get(kind)
    if key is None:
        raise CommandLineError("--map-input", f'"{text[:60]}" is not NAME=SOURCE', SOURCES)
    return InputSource(name, **{key: value})  # type: ignore[arg-type]


def read_destination(text: str) -> OutputDestination:
    """`name=data:path` and the like. Raises InvalidInputError."""
    name, kind, value = _read_mapping("--map-output", text, DESTINATIONS)
    if kind == "null":
        return OutputDestination(name, is_null=True)
    key = {"endpoint": "endpoint_output_name", "data": "datastore_path"}.get(kind)
    if key is None:
        raise CommandLineError("--map-output", f'"{text[:60]}" is not NAME=DESTINATION', DESTINATIONS)
    return OutputDestination(name, **{key: value})  # type: ignore[arg-type]


def _read_mapping(option: str, text: str, allowed: str) -> tuple[str, str, str]:
    name, _, target = text.partition("=")
    kind, has_value, value = target.partition(":")
    if not name or (kind != "null" and not (has_value and value)):
        raise CommandLineError(option, f'"{text[:60]}" is not NAME=WHERE', allowed)
    return name, kind, value


def read_instant(option: str, text: str) -> datetime:
    """ISO 8601, or "now"; without an offset it is local time. Raises InvalidInputError."""
    if text == "now":
        return clock.now()
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not know the letter
    except ValueError:
        allowed = '"now", or an instant such as 2026-12-24T18:00:00+01:00'
        raise CommandLineError(option, f"{text[:60]!r} is not an instant", allowed) from None
