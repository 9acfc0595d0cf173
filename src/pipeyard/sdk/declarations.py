"""What a user declares: inputs and outputs of a pipeline, where a deployment takes them from and puts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar


class Declaration(Protocol):
    """Anything below."""

    def to_dict(self) -> dict[str, Any]:
        """As it travels."""


D = TypeVar("D", bound=Declaration)


@dataclass
class _Fields:
    def to_dict(self) -> dict[str, Any]:
        """As it travels: what is None is not sent."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass
class Input(_Fields):
    """An input of a pipeline: a parameter of its function.

    `data_type` is one of `INPUT_OUTPUT_TYPES`. `default_value` has that type and is used where no value comes; without
    one the function gets None, or, where `is_required`, the execution is refused.
    """

    name: str
    data_type: str
    description: str | None = None
    is_required: bool | None = None
    default_value: Any = None


@dataclass
class Output(_Fields):
    """An output of a pipeline: a key of the dictionary that its function returns."""

    name: str
    data_type: str
    description: str | None = None


@dataclass
class InputSource(_Fields):
    """Where an input of a pipeline takes its value from. Give exactly one source.

    Sources: `endpoint_input_name`, a part of the call (with `is_required` and `default_value` beside it, if wanted);
    `environment_variable_name`, read at each execution; `constant_value`; `datastore_path`, for files;
    `is_null=True`, nothing. A constant None is `is_null=True`.
    """

    pipeline_input_name: str | None = None
    endpoint_input_name: str | None = None
    environment_variable_name: str | None = None
    is_required: bool | None = None
    default_value: Any = None
    constant_value: Any = None
    is_null: bool | None = None
    datastore_path: str | None = None


@dataclass
class OutputDestination(_Fields):
    """Where an output of a pipeline goes. Give exactly one destination.

    Destinations: `endpoint_output_name`, a part of the call's result; `is_null=True`, nowhere; `datastore_path`, for
    files, in which `{execution_id}`, `{date}` (YYYYMMDD) and `{date_time}` (YYYYMMDD_hhmmss, UTC) are filled in.
    """

    pipeline_output_name: str | None = None
    endpoint_output_name: str | None = None
    is_null: bool | None = None
    datastore_path: str | None = None


def to_dicts(field: str, kind: type[D], declared: Sequence[D] | None) -> list[dict[str, Any]] | None:
    """Each as it travels; None stays None. Raises ValueError when one is not of that kind."""
    if declared is None:
        return None
    if isinstance(declared, (str, bytes)) or not isinstance(declared, Sequence):
        raise ValueError(f"'{field}' must be a list of {kind.__name__}, got {type(declared).__name__}")
    for item in declared:
        if not isinstance(item, kind):
            raise ValueError(f"'{field}' must be a list of {kind.__name__}, one of them is {type(item).__name__}")
    return [item.to_dict() for item in declared]
