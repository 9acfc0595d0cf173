"""What an update may change of a deployment's mappings: constants and data store paths, never the type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from pipeyard.domain.mappings import (
    Destination,
    InputMapping,
    Mapped,
    OutputMapping,
    Source,
    by_name,
    map_inputs,
    map_outputs,
)
from pipeyard.domain.modes import Rule
from pipeyard.domain.pipelines import Input, Output
from pipeyard.errors import InvalidInputError

CHANGEABLE = (Source.CONSTANT.value, Source.DATASTORE.value)


@dataclass(frozen=True)
class _Side(Generic[Mapped]):
    """What differs between inputs and outputs."""

    kind: str
    type_of: Callable[[Mapped], Source | Destination]


_INPUTS = _Side[InputMapping]("input", lambda mapping: mapping.source)
_OUTPUTS = _Side[OutputMapping]("output", lambda mapping: mapping.destination)


def update_inputs(inputs: Sequence[Input], present: Sequence[InputMapping], given: object) -> tuple[InputMapping, ...]:
    """The present mappings with the values of `given`, the wire's list; what that does not mention stays.

    Values are checked as at a creation. Raises InvalidInputError, also for another type of mapping.
    """
    # The rule that knows every type of mapping: which one is right, the present mapping says.
    wanted = map_inputs(inputs, given, Rule.ENDPOINT)
    return _update_all(_INPUTS, [declared.name for declared in inputs], present, wanted, given)


def update_outputs(
    outputs: Sequence[Output], present: Sequence[OutputMapping], given: object
) -> tuple[OutputMapping, ...]:
    """As `update_inputs`."""
    wanted = map_outputs(outputs, given, Rule.ENDPOINT)
    return _update_all(_OUTPUTS, [declared.name for declared in outputs], present, wanted, given)


def _update_all(
    side: _Side[Mapped], names: Sequence[str], present: Sequence[Mapped], wanted: Sequence[Mapped], given: object
) -> tuple[Mapped, ...]:
    items = by_name(f"{side.kind}s_mapping", side.kind, names, given)
    updated = []
    for name, old, new in zip(names, present, wanted, strict=True):
        if name in items:
            place, _ = items[name]
            updated.append(_update(side, place, name, (old, new)))
        else:
            updated.append(old)
    return tuple(updated)


def _update(side: _Side[Mapped], place: str, name: str, change: tuple[Mapped, Mapped]) -> Mapped:
    old, new = change
    old_type, new_type = side.type_of(old), side.type_of(new)
    is_changeable = old_type.value in CHANGEABLE
    problem = f'the {side.kind} "{name}" has a mapping of type {old_type.value}, '
    if new_type is not old_type:
        allowed = "another value of that type" if is_changeable else "leave it out"
        raise InvalidInputError(place, f"{problem}which an update cannot make {new_type.value}", allowed)
    if is_changeable:
        return replace(old, at=new.at)
    if new != old:
        allowed = f"leave it out; mappings of type {' and '.join(CHANGEABLE)} can be updated"
        raise InvalidInputError(place, f"{problem}which an update cannot change", allowed)
    return old  # it says what is there, as `get_deployment` shows it
