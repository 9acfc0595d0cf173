"""Inputs and outputs of an execution: one shape from two that travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_INTERNAL = ("is_required", "default_value", "run_input_name", "run_output_name")


@dataclass(frozen=True)
class Side:
    """Inputs or outputs: what their keys are called."""

    singular: str
    place_key: str  # where the kind of the source, or of the destination, is told

    @property
    def plural(self) -> str:
        """`inputs`, `outputs`."""
        return f"{self.singular}s"

    @property
    def name_key(self) -> str:
        """Of the name in the pipeline."""
        return f"pipeline_{self.singular}_name"

    def shape(self, item: Mapping[str, Any], value: Any) -> dict[str, Any]:
        """As the user gets it."""
        place = {key: part for key, part in item["mapping_value"].items() if key not in _INTERNAL}
        kind = {self.place_key: item["mapping_type"]}
        return {self.name_key: item[self.name_key], "data_type": item["data_type"], **place, **kind, "value": value}


INPUT = Side("input", "source")
OUTPUT = Side("output", "destination")


def is_fetched(item: Mapping[str, Any], *, stored: bool) -> bool:
    """Whether the value is a file, with a request of its own; `stored`: also where it is in the data store."""
    absent = ("is_null",) if stored else ("is_null", "datastore")
    return item["data_type"] == "file" and item["mapping_type"] not in absent
