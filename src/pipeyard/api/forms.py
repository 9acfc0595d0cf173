"""Bracketed forms, `inputs[0][name]=x`: back to lists and objects, with the types that the text lost (wire.md 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pipeyard.api.form_values import retype
from pipeyard.errors import InvalidInputError

FIELDS_LIMIT = 10_000
KEY_LENGTH_LIMIT = 1_000
DEPTH_LIMIT = 32

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")


class _Repeated(list[str]):
    """The texts of a key that was sent more than once: how the public client sends an inner list."""


def decode_pipeline_form(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields of a pipeline's creation. Raises InvalidInputError naming the field.

    A `container_config` key that was sent empty is there as None: it means "nothing", where an absent one means
    "as the project says".
    """
    fields = nest(pairs)
    config = fields.get("container_config")
    if isinstance(config, dict):
        fields["container_config"] = {key: None if value == "" else value for key, value in config.items()}
    for kind in ("inputs", "outputs"):
        declared = fields.get(kind)
        if isinstance(declared, list):
            fields[kind] = [_declared(f"{kind}[{index}]", item) for index, item in enumerate(declared)]
    return fields


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Keys with brackets as nested objects; one whose keys are exactly 0..n-1 is a list. Every leaf is text."""
    root: dict[str, Any] = {}
    for count, (key, text) in enumerate(pairs, start=1):
        if count > FIELDS_LIMIT:
            raise InvalidInputError("form", f"has more than {FIELDS_LIMIT} fields", f"at most {FIELDS_LIMIT}")
        _put(root, key, text)
    return {key: _listed(value) for key, value in root.items()}


def _put(root: dict[str, Any], key: str, text: str) -> None:
    path = _split(key)
    node = root
    for part in path[:-1]:
        below = node.setdefault(part, {})
        if not isinstance(below, dict):
            raise _both(key)
        node = below
    last = path[-1]
    present = node.get(last)
    if isinstance(present, dict):
        raise _both(key)
    if present is None:
        node[last] = text
    elif isinstance(present, _Repeated):
        present.append(text)
    else:
        node[last] = _Repeated((present, text))


def _split(key: str) -> list[str]:
    """`a[b][0]` -> a, b, 0."""
    if len(key) > KEY_LENGTH_LIMIT:
        raise InvalidInputError(key[:40] + "…", "is too long for a name", f"at most {KEY_LENGTH_LIMIT} characters")
    match = _KEY.fullmatch(key)
    if match is None:
        raise InvalidInputError(
            key or "form",
            "has brackets that do not pair up" if key else "has a field without a name",
            "names like inputs[0][name]; send an object whose keys have brackets as JSON text",
        )
    path = [match[1], *_PART.findall(match[2])]
    if len(path) > DEPTH_LIMIT:
        raise InvalidInputError(path[0], "is nested too deeply", f"at most {DEPTH_LIMIT} levels")
    return path


def _both(key: str) -> InvalidInputError:
    return InvalidInputError(key, "is sent both as a value and as a group of values", "one of the two")


def _listed(node: Any) -> Any:
    """Recursion is bounded by DEPTH_LIMIT."""
    if isinstance(node, _Repeated):
        return list(node)
    if not isinstance(node, dict):
        return node
    below = {key: _listed(value) for key, value in node.items()}
    numbers = range(len(below))
    if below and all(str(number) in below for number in numbers):
        return [below[str(number)] for number in numbers]
    return below


def _declared(place: str, item: Any) -> Any:
    """One input or output with its booleans and its default value re-typed."""
    if not isinstance(item, dict):
        return item
    if "is_required" in item:
        item["is_required"] = _boolean(f"{place}.is_required", item["is_required"])
    if "default_value" in item:
        item["default_value"] = retype(f"{place}.default_value", item.get("data_type"), item["default_value"])
    return item


def _boolean(field: str, text: Any) -> bool | None:
    """`True` as Python spells it, `true` as JSON does; an empty text is None."""
    known: dict[Any, bool | None] = {"true": True, "false": False, "": None}
    answer = known.get(text.lower(), text) if isinstance(text, str) else text
    if answer is not None and not isinstance(answer, bool):
        raise InvalidInputError(field, f"{str(text)[:40]!r} is not usable", "true or false")
    return answer
