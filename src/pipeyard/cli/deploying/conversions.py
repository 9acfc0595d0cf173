"""Travels with the code of `pipeyard deploy`: gives a function what its annotations say, and takes what it returns.

Standard library only, Python 3.9+. Arrays come as lists, files as {"path": ...}, objects as dicts.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import inspect
import os
import pathlib
import tempfile
import types
import typing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
_ARRAYS: dict[Any, Any] = {tuple: tuple, set: set, frozenset: frozenset, list: list}
_NONE = type(None)


def adapt(function: Callable[..., Any], lone_output: str | None = None) -> Callable[..., Any]:
    """The function with JSON and files in and out; `lone_output` names a result that is no dict."""
    hints = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters

    def convert(inputs: dict[str, Any]) -> dict[str, Any]:
        # None is "nothing was sent": the function's own default value stands then.
        given = {
            name: value
            for name, value in inputs.items()
            if value is not None or parameters[name].default in (None, inspect.Parameter.empty)
        }
        return {name: _build_input(name, hints.get(name), value) for name, value in given.items()}

    def finish(returned: Any) -> Any:
        written = write(returned)
        return written if lone_output is None else {lone_output: written}

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def adapted_coroutine(**inputs: Any) -> Any:
            return finish(await function(**convert(inputs)))

        return adapted_coroutine

    @functools.wraps(function)
    def adapted(**inputs: Any) -> Any:
        return finish(function(**convert(inputs)))

    return adapted


def _build_input(name: str, kind: Any, value: Any) -> Any:
    try:
        return build(kind, value)
    except Exception as error:
        wanted = getattr(kind, "__name__", str(kind))
        # Without the frames of this file: the value is at fault.
        raise ValueError(f'the input "{name}" cannot be made into {wanted}: {error}') from None


def build(kind: Any, value: Any) -> Any:
    """What the annotation says, made of a JSON value."""
    if value is None:
        return None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        members = [member for member in arguments if member is not _NONE]
        return build(members[0], value) if len(members) == 1 else value
    if hasattr(kind, "__metadata__"):  # Annotated
        return build(kind.__origin__, value)
    array = _ARRAYS.get(origin or kind)
    if array is not None or origin is collections.abc.Sequence:
        is_mixed = array is tuple and Ellipsis not in arguments
        each = arguments if is_mixed and len(arguments) == len(value) else (arguments[:1] or (None,)) * len(value)
        return (array or list)(build(inner, item) for inner, item in zip(each, value))  # noqa: B905  Python 3.9
    if origin in (dict, collections.abc.Mapping) and len(arguments) == 2:
        return {key: build(arguments[1], item) for key, item in value.items()}
    return _build_class(kind, value) if isinstance(kind, type) else value


def _build_class(kind: type[Any], value: Any) -> Any:
    if issubclass(kind, os.PathLike):
        return pathlib.Path(_path(value))
    if kind is bytes:
        return pathlib.Path(_path(value)).read_bytes() if isinstance(value, dict) else value
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)
    make: Any = kind
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return make(**{name: build(hints.get(name), item) for name, item in value.items()})
    return kind(value) if issubclass(kind, enum.Enum) else value


def _path(value: Any) -> Any:
    return value["path"] if isinstance(value, dict) else value


def write(value: Any) -> Any:
    """The JSON value of what a function returned; a path becomes a file."""
    if isinstance(value, os.PathLike):
        return {"path": os.fspath(value)}
    if isinstance(value, bytes):
        descriptor, path = tempfile.mkstemp(dir=".")
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
        return {"path": path}
    if isinstance(value, enum.Enum):
        return value.value
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: write(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: write(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [write(item) for item in value]
    return value
