"""Nested values as the fields of a form: `inputs[0][name]`, everything as text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeyard.sdk.constants import CREATION_PARAMETER_VALUE
from pipeyard.sdk.declarations import Input, InputSource, Output, OutputDestination, to_dicts
from pipeyard.sdk.files import FileValue

_AS_JSON = ("default_value",)  # brackets would lose the types inside, and what is empty


def pipeline_form(
    texts: Mapping[str, str | None],
    config: Mapping[str, Any],
    inputs: Sequence[Input] | None,
    outputs: Sequence[Output] | None,
) -> dict[str, str]:
    """The fields that create a pipeline. Raises ValueError for what is no `Input` or `Output`, TypeError for values."""
    fields: dict[str, Any] = {name: value for name, value in texts.items() if value is not None}
    fields["container_config"] = {
        key: None if value is CREATION_PARAMETER_VALUE.NULL else value
        for key, value in config.items()
        if value is not None and value is not CREATION_PARAMETER_VALUE.FALLBACK_PROJECT
    }
    fields["inputs"] = to_dicts("inputs", Input, inputs) or []
    fields["outputs"] = to_dicts("outputs", Output, outputs) or []
    return dict(_flatten("", fields))


def check_config(config: Any) -> dict[str, Any]:
    """A copy of a `container_config`. Raises ValueError unless it is a dictionary by text, or None."""
    if config is None:
        return {}
    if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
        raise ValueError(f"'container_config' must be a dictionary with text as keys, got {type(config).__name__}")
    folder = config.get("local_folder")
    if folder is not None and not isinstance(folder, (str, os.PathLike)):
        raise ValueError(f"'container_config': \"local_folder\" must be a path, got {type(folder).__name__}")
    return dict(config)


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Fields in order. None is the empty text; an empty list or dictionary has no field."""
    is_json = path.endswith(tuple(f"[{key}]" for key in _AS_JSON))
    if isinstance(value, (Mapping, list, tuple)) and is_json:
        yield path, encode(path, value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(f"{path}[{key}]" if path else str(key), item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _flatten(f"{path}[{index}]", item)
    else:
        yield path, "" if value is None else str(value)


def run_form(
    types: Mapping[str, str],
    inputs: Mapping[str, Any],
    inputs_mapping: Sequence[InputSource] | None,
    outputs_mapping: Sequence[OutputDestination] | None,
) -> tuple[dict[str, str], dict[str, FileValue]]:
    """The text fields and the files that run a pipeline, whose inputs have these types.

    Raises ValueError and TypeError naming what cannot be sent.
    """
    check_inputs(inputs)
    files = {name: _as_path(value) for name, value in inputs.items() if types.get(name) == "file"}
    values = {name: value for name, value in inputs.items() if name not in files}
    form = {"json_inputs": encode_object({name: encode(name, value) for name, value in values.items()})}
    sources = to_dicts("inputs_mapping", InputSource, inputs_mapping)
    destinations = to_dicts("outputs_mapping", OutputDestination, outputs_mapping)
    if sources is not None:
        form["inputs_mapping"] = encode("inputs_mapping", sources)
    if destinations is not None:
        form["outputs_mapping"] = encode("outputs_mapping", destinations)
    return form, files


def check_inputs(inputs: Any) -> None:
    """Raises ValueError unless they are values by name."""
    if not isinstance(inputs, Mapping) or not all(isinstance(name, str) for name in inputs):
        raise ValueError(f"'inputs' must be a dictionary of values by input name, got {type(inputs).__name__}")


def _as_path(value: Any) -> Any:
    """Text given for a file input is a path."""
    return Path(value) if isinstance(value, str) else value


def encode_object(encoded: Mapping[str, str]) -> str:
    """A JSON object out of values that are JSON text already."""
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in encoded.items()) + "}"


def encode(name: str, value: Any) -> str:
    """JSON text. Raises TypeError naming the input that has no JSON form."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError as error:
        raise TypeError(
            f'input "{name}": {error}; allowed: numbers, text, booleans, lists and dictionaries (of NumPy and pandas: '
            ".tolist(), .item())"
        ) from None
