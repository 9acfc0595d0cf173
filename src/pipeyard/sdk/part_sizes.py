"""From which size uploads go in parts, and how large these are."""

from __future__ import annotations

import os

from pipeyard.sdk.arguments import is_whole

THRESHOLD_VARIABLE = "CRAFT_AI__MULTIPART_THRESHOLD__B"
PART_SIZE_VARIABLE = "CRAFT_AI__MULTIPART_PART_SIZE__B"
THRESHOLD_B = 100_000_000
PART_SIZE_B = 38 * 256 * 1024  # a multiple of what object stores ask for


def read_part_sizes(threshold_b: int | None, part_size_b: int | None) -> tuple[int, int]:
    """What is None comes from its variable, else the default. Raises ValueError unless both are whole and above 0."""
    return (
        _size("multipart_threshold_b", threshold_b, THRESHOLD_VARIABLE, THRESHOLD_B),
        _size("multipart_part_size_b", part_size_b, PART_SIZE_VARIABLE, PART_SIZE_B),
    )


def _size(name: str, given: int | None, variable: str, default: int) -> int:
    where, value = name, given
    if value is None:
        text = os.environ.get(variable, str(default))
        where = variable
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{variable} is {text!r}; allowed: a number of bytes") from None
    if not is_whole(value):
        raise ValueError(f"{where} is {value!r}; allowed: a whole number of bytes")
    if value <= 0:
        raise ValueError(f"{where} is {value}; allowed: more than 0 bytes")
    return int(value)
