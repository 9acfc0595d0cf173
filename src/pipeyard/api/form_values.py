"""Values of a form, where everything is text, in the type that was declared for them."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from typing import Any

from pipeyard.errors import InvalidInputError

LITERAL_LENGTH_LIMIT = 100_000
LITERAL_DEPTH_LIMIT = 32
NUMBER_LENGTH_LIMIT = 400  # the largest float has 309 digits

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_JSON_KINDS = (str, bool, int, float, type(None))


def retype(field: str, data_type: Any, raw: Any) -> Any:
    """A default value in its declared type. Of an unknown type, or a file, it stays as it is: not ours to refuse.

    Raises InvalidInputError naming the field.
    """
    if data_type == "string":
        if not isinstance(raw, str):
            raise InvalidInputError(field, "must be of type string, got several values", "string")
        return raw
    if data_type == "number":
        return _number(field, raw)
    if data_type == "boolean":
        return _boolean(field, raw)
    if data_type == "array":
        value = restore(raw)
        return value if isinstance(value, list) else _array(field, value)
    return restore(raw) if data_type == "json" else raw


def restore(raw: Any) -> Any:
    """A part of a json or array value as far as its text tells the type: "1" and 1 look the same (wire.md 3.1).

    The nesting of `raw` is bounded by the form's.
    """
    if isinstance(raw, list):
        return [restore(item) for item in raw]
    if isinstance(raw, dict):
        return {key: restore(item) for key, item in raw.items()}
    if raw == "":
        return None
    if raw in ("True", "true", "False", "false"):
        return raw in ("True", "true")
    number = _parse_number(raw)
    if number is not None:
        return number
    return _literal(raw) if raw[:1] in ("[", "{", "(") else raw


def _number(field: str, raw: Any) -> int | float:
    number = _parse_number(raw) if isinstance(raw, str) else None
    if number is None:
        raise InvalidInputError(field, f"must be of type number, got {_shown(raw)}", "a number, for example 1.5")
    return number


def _boolean(field: str, raw: Any) -> bool:
    if not isinstance(raw, str) or raw.lower() not in ("true", "false"):
        raise InvalidInputError(field, f"must be of type boolean, got {_shown(raw)}", "true or false")
    return raw.lower() == "true"


def _array(field: str, value: Any) -> list[Any]:
    # An inner list of one element arrives as that element (wire.md 3.1).
    if isinstance(value, dict):
        raise InvalidInputError(field, "must be of type array, got an object", "array")
    return [value]


def _parse_number(text: str) -> int | float | None:
    if len(text) > NUMBER_LENGTH_LIMIT or not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _literal(text: str) -> Any:
    """JSON text, or the Python spelling in which the public client sends inner lists; else the text."""
    if len(text) > LITERAL_LENGTH_LIMIT or _too_deep(text):
        return text
    for parse in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings(action="ignore"):  # what the parser thinks of the style of foreign text
                return _plain(parse(text))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def _too_deep(text: str) -> bool:
    depth = 0
    for character in text:
        if character in "[{(":
            depth += 1
            if depth > LITERAL_DEPTH_LIMIT:
                return True
        elif character in ")}]":
            depth -= 1
    return False


def _plain(value: Any) -> Any:
    """With lists for tuples. Raises ValueError for what JSON does not have."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("keys must be text")
        return {key: _plain(item) for key, item in value.items()}
    if not isinstance(value, _JSON_KINDS) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{type(value).__name__} has no JSON form")
    return value


def _shown(raw: Any) -> str:
    return repr(raw[:40]) if isinstance(raw, str) else "several values"
