"""Values of inputs and outputs: their types and the checks on what callers send."""

from __future__ import annotations

from enum import Enum

from pipeyard.domain.names import shown
from pipeyard.errors import InvalidInputError


class DataType(str, Enum):
    """The declared type of an input or an output."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"
    ARRAY = "array"
    FILE = "file"


DATA_TYPES = ", ".join(data_type.value for data_type in DataType)


def check_data_type(field: str, value: object) -> DataType:
    """The data type of that name. Raises InvalidInputError."""
    try:
        return DataType(value)
    except ValueError:
        raise InvalidInputError(field, f"{shown(value)} is not a data type", DATA_TYPES) from None


def fits(data_type: DataType, value: object) -> bool:
    """Whether a JSON value is of that type. None fits every type: it is the missing value."""
    if value is None or data_type is DataType.JSON:
        return True
    if data_type is DataType.STRING:
        return isinstance(value, str)
    if data_type is DataType.NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if data_type is DataType.BOOLEAN:
        return isinstance(value, bool)
    if data_type is DataType.ARRAY:
        return isinstance(value, list)
    return False  # a file is never a JSON value


def check_value(field: str, data_type: DataType, value: object) -> None:
    """Raises InvalidInputError unless the value is of the declared type."""
    if fits(data_type, value):
        return
    if data_type is DataType.FILE:
        raise InvalidInputError(
            field, "is a file input but got a value", f"a multipart/form-data part with a file name, named {field}"
        )
    raise InvalidInputError(field, f"must be of type {data_type.value}, got {_describe(value)}", data_type.value)


def _describe(value: object) -> str:
    kinds = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "json object"}
    return kinds.get(type(value), type(value).__name__)
