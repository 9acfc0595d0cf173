"""Mappings: where the value of an input comes from, where the value of an output goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from pipeyard.domain.modes import Rule
from pipeyard.domain.names import check_keys, check_name, check_variable_name, shown
from pipeyard.domain.objects import check_object_path, check_output_path
from pipeyard.domain.pipelines import Input, Output
from pipeyard.domain.values import DataType, check_value
from pipeyard.errors import InvalidInputError


class Source(str, Enum):
    """Kinds of input source; the values are the `mapping_type` of the wire."""

    CONSTANT = "constant"
    ENVIRONMENT_VARIABLE = "environment_variable"
    ENDPOINT = "endpoint"
    DATASTORE = "datastore"
    IS_NULL = "is_null"
    RUN = "run"


class Destination(str, Enum):
    """Kinds of output destination."""

    ENDPOINT = "endpoint"
    DATASTORE = "datastore"
    IS_NULL = "is_null"
    RUN = "run"


@dataclass(frozen=True)
class InputMapping:
    """Where one input comes from. `at` is the constant, the name or the path, by kind."""

    input_name: str
    data_type: DataType
    source: Source
    at: Any
    is_required: bool = False
    default_value: Any = None
    description: str | None = None

    @property
    def is_of_endpoint(self) -> bool:
        """Whether a call of the endpoint gives it."""
        return self.source is Source.ENDPOINT


@dataclass(frozen=True)
class OutputMapping:
    """Where one output goes. `at` is the name or the path, by kind."""

    output_name: str
    data_type: DataType
    destination: Destination
    at: Any
    description: str | None = None

    @property
    def is_of_endpoint(self) -> bool:
        """Whether a call of the endpoint gets it."""
        return self.destination is Destination.ENDPOINT


Declared = TypeVar("Declared", Input, Output)
Mapped = TypeVar("Mapped", InputMapping, OutputMapping)
Given = tuple[str, dict[str, Any]]  # where an item stands, for messages, and the item


# The key on the wire of each kind, in both directions.
SOURCE_KEYS = {
    Source.CONSTANT: "constant_value",
    Source.ENVIRONMENT_VARIABLE: "environment_variable_name",
    Source.ENDPOINT: "endpoint_input_name",
    Source.DATASTORE: "datastore_path",
    Source.IS_NULL: "is_null",
    Source.RUN: "run_input_name",
}
DESTINATION_KEYS = {
    Destination.ENDPOINT: "endpoint_output_name",
    Destination.DATASTORE: "datastore_path",
    Destination.IS_NULL: "is_null",
    Destination.RUN: "run_output_name",
}
_GIVEN_SOURCES = {key: source for source, key in SOURCE_KEYS.items() if source is not Source.RUN}
_GIVEN_DESTINATIONS = {key: kind for kind, key in DESTINATION_KEYS.items() if kind is not Destination.RUN}


# What an item may hold beside its input or output; data_type and description as `get_deployment` shows them.
_KEYS = {
    "input": (*_GIVEN_SOURCES, "is_required", "default_value", "data_type", "description"),
    "output": (*_GIVEN_DESTINATIONS, "data_type", "description"),
}


def map_inputs(inputs: Sequence[Input], given: object, rule: Rule | None) -> tuple[InputMapping, ...]:
    """One mapping per declared input. `given`: the wire's list or None; rule None is a run. Raises InvalidInputError.

    Endpoint deployments and runs map what is not mentioned to an input of the same name; periodic ones refuse it.
    """
    return _map_all("input", inputs, given, rule, _map_input)


def map_outputs(outputs: Sequence[Output], given: object, rule: Rule | None) -> tuple[OutputMapping, ...]:
    """One mapping per declared output; as `map_inputs`."""
    return _map_all("output", outputs, given, rule, _map_output)


def _map_all(
    kind: str,
    all_declared: Sequence[Declared],
    given: object,
    rule: Rule | None,
    map_one: Callable[[Declared, Given | None, Rule | None], Mapped],
) -> tuple[Mapped, ...]:
    field = f"{kind}s_mapping"
    items = by_name(field, kind, [declared.name for declared in all_declared], given)
    unmapped = [declared.name for declared in all_declared if declared.name not in items]
    _refuse_unmapped(field, kind, unmapped, rule)
    used: dict[str, str] = {}
    mappings = []
    for declared in all_declared:
        mapping = map_one(declared, items.get(declared.name), rule)
        if mapping.is_of_endpoint:
            _refuse_reuse(field, f"endpoint_{kind}_name", mapping.at, declared.name, used)
        mappings.append(mapping)
    return tuple(mappings)


def by_name(field: str, kind: str, declared: Sequence[str], given: object) -> dict[str, tuple[str, dict[str, Any]]]:
    """The items of a mapping list by pipeline input or output name, each with its place for messages."""
    if given is None:
        return {}
    if not isinstance(given, list):
        raise InvalidInputError(field, f"must be a list, got {type(given).__name__}")
    items: dict[str, tuple[str, dict[str, Any]]] = {}
    for index, item in enumerate(given):
        place = f"{field}[{index}]"
        if not isinstance(item, dict):
            raise InvalidInputError(place, f"must be an object, got {type(item).__name__}")
        key = f"pipeline_{kind}_name"
        # Older clients say step_input_name (wire.md 6.2).
        name = item.get(key, item.get(f"step_{kind}_name"))
        if not isinstance(name, str) or name not in declared:
            known = ", ".join(declared) or f"none, the pipeline declares no {kind}"
            raise InvalidInputError(f"{place}.{key}", f"the pipeline has no {kind} {shown(name)}", known)
        check_keys(place, item, (key, f"step_{kind}_name", *_KEYS[kind]), (key, *_KEYS[kind]))
        if name in items:
            raise InvalidInputError(f"{place}.{key}", f'the {kind} "{name}" is mapped twice', f"one mapping per {kind}")
        items[name] = (place, item)
    return items


def _refuse_unmapped(field: str, kind: str, names: list[str], rule: Rule | None) -> None:
    if rule is Rule.PERIODIC and names:
        sources = "a constant, an environment variable, " if kind == "input" else ""
        raise InvalidInputError(
            field,
            f"a periodic deployment needs every {kind} mapped explicitly; not mapped: {', '.join(names)}",
            f"{sources}a data store path or is_null for each",
        )


def _refuse_reuse(field: str, key: str, at: str, name: str, used: dict[str, str]) -> None:
    if at in used:
        raise InvalidInputError(field, f'{key} "{at}" is used for both "{used[at]}" and "{name}"', "a name of its own")
    used[at] = name


def _map_input(declared: Input, given: tuple[str, dict[str, Any]] | None, rule: Rule | None) -> InputMapping:
    automatic = Source.RUN if rule is None else Source.ENDPOINT
    mapping = InputMapping(
        declared.name,
        declared.data_type,
        automatic,
        declared.name,
        declared.is_required,
        declared.default_value,
        declared.description,
    )
    if given is None:
        return mapping
    place, item = given
    source, at = _one_of(place, item, _GIVEN_SOURCES)
    if source is Source.ENDPOINT:
        return _map_endpoint_input(
            replace(mapping, at=check_name(f"{place}.endpoint_input_name", at)), place, item, rule
        )
    for key in ("is_required", "default_value"):
        if item.get(key) is not None:
            raise InvalidInputError(
                f"{place}.{key}", "only applies to an endpoint input", "endpoint_input_name beside it"
            )
    _check_source(place, source, at, declared.data_type)
    return replace(mapping, source=source, at=at, is_required=False, default_value=None)


def _map_endpoint_input(mapping: InputMapping, place: str, item: dict[str, Any], rule: Rule | None) -> InputMapping:
    if rule is not Rule.ENDPOINT:
        trigger = "a run" if rule is None else "a periodic deployment"
        raise InvalidInputError(
            f"{place}.endpoint_input_name",
            f"{trigger} has no endpoint",
            "constant, environment variable, data store or null",
        )
    required = item.get("is_required")
    if required is not None and not isinstance(required, bool):
        raise InvalidInputError(f"{place}.is_required", f"must be true or false, got {shown(required)}")
    default = item.get("default_value")
    if default is not None:
        check_value(f"{place}.default_value", mapping.data_type, default)
    return replace(
        mapping,
        source=Source.ENDPOINT,
        is_required=mapping.is_required if required is None else required,
        # The deployment's default wins over the pipeline's.
        default_value=mapping.default_value if default is None else default,
    )


def _check_source(place: str, source: Source, at: Any, data_type: DataType) -> None:
    key = f"{place}.{SOURCE_KEYS[source]}"
    is_file = data_type is DataType.FILE
    if source is Source.CONSTANT:
        if is_file:
            raise InvalidInputError(key, "a file input cannot be a constant", "endpoint input, data store path or null")
        check_value(key, data_type, at)
    elif source is Source.ENVIRONMENT_VARIABLE:
        check_variable_name(key, at)
        if is_file:
            raise InvalidInputError(key, "a file input cannot be a variable", "endpoint input, data store path or null")
    elif source is Source.DATASTORE:
        if not is_file:
            allowed = "endpoint input, constant, environment variable or null"
            raise InvalidInputError(key, f"an input of type {data_type.value} cannot come from a file", allowed)
        check_object_path(key, at)


def _map_output(declared: Output, given: tuple[str, dict[str, Any]] | None, rule: Rule | None) -> OutputMapping:
    automatic = Destination.RUN if rule is None else Destination.ENDPOINT
    mapping = OutputMapping(declared.name, declared.data_type, automatic, declared.name, declared.description)
    if given is None:
        return mapping
    place, item = given
    destination, at = _one_of(place, item, _GIVEN_DESTINATIONS)
    key = f"{place}.{DESTINATION_KEYS[destination]}"
    if destination is Destination.ENDPOINT:
        check_name(key, at)
        if rule is not Rule.ENDPOINT:
            trigger = "a run" if rule is None else "a periodic deployment"
            raise InvalidInputError(key, f"{trigger} has no endpoint", "data store path or is_null")
    elif destination is Destination.DATASTORE:
        if declared.data_type is not DataType.FILE:
            problem = f"an output of type {declared.data_type.value} is no file to store"
            raise InvalidInputError(key, problem, "endpoint output or null")
        check_output_path(key, at)
    return replace(mapping, destination=destination, at=at)


def _one_of(place: str, item: Mapping[str, Any], kinds: Mapping[str, Any]) -> tuple[Any, Any]:
    """The one kind that a mapping item names, and its value. `is_null: false` counts as absent (wire.md 3.3)."""
    given = [key for key in kinds if item.get(key) is not None and not (key == "is_null" and item[key] is False)]
    if len(given) != 1:
        problem = f"has {' and '.join(given)}" if given else "names no source or destination (for None use is_null)"
        raise InvalidInputError(place, problem, f"exactly one of {', '.join(kinds)}")
    if given[0] == "is_null" and item["is_null"] is not True:
        raise InvalidInputError(f"{place}.is_null", f"must be true or false, got {shown(item['is_null'])}")
    return kinds[given[0]], item[given[0]]


@dataclass(frozen=True)
class ResolvedInputs:
    """The inputs of one execution, before variables are read: those are taken when it starts."""

    values: dict[str, Any]  # by pipeline input, files left out
    files: dict[str, str]  # pipeline input -> the name of the part that was sent; those of the data store left out
    ignored: tuple[str, ...]  # what was sent and is no input


def resolve_inputs(mappings: Iterable[InputMapping], values: Mapping[str, Any], files: Iterable[str]) -> ResolvedInputs:
    """Match what a caller sent (by endpoint or run input name) with the mappings. Raises InvalidInputError."""
    sent_files = set(files)
    resolved = ResolvedInputs({}, {}, ())
    taken = set()
    for mapping in mappings:
        if mapping.source in (Source.ENDPOINT, Source.RUN):
            taken.add(mapping.at)
            _take(resolved, mapping, values.get(mapping.at), mapping.at in sent_files)
        elif mapping.source not in (Source.ENVIRONMENT_VARIABLE, Source.DATASTORE):
            resolved.values[mapping.input_name] = mapping.at if mapping.source is Source.CONSTANT else None
    ignored = tuple(name for name in (*values, *sorted(sent_files)) if name not in taken)
    return replace(resolved, ignored=ignored)


def _take(resolved: ResolvedInputs, mapping: InputMapping, value: Any, is_file: bool) -> None:
    if is_file and mapping.data_type is not DataType.FILE:
        raise InvalidInputError(mapping.at, f"got a file but is of type {mapping.data_type.value}", "a value")
    if is_file:
        resolved.files[mapping.input_name] = mapping.at
        return
    if value is None:
        value = mapping.default_value
    if value is None and mapping.is_required:
        raise InvalidInputError(mapping.at, "is required and was not sent", mapping.data_type.value)
    check_value(mapping.at, mapping.data_type, value)
    resolved.values[mapping.input_name] = value
