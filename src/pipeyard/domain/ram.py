"""Amounts of memory as users write them."""

from __future__ import annotations

import re

from pipeyard.domain.names import shown
from pipeyard.errors import InvalidInputError

_RAM = re.compile(r"([1-9][0-9]{0,14})(KiB|MiB|GiB)")
_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
RAM_LIMIT_BYTES = 1024**5  # no machine has more
RAM_RULE = 'a whole number followed by KiB, MiB or GiB, for example "512MiB" or "1GiB"'


def parse_ram(field: str, value: object) -> int:
    """Bytes of "512MiB" or "1GiB" (product page, ram_request). Raises InvalidInputError."""
    match = _RAM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidInputError(field, f"{shown(value)} is not an amount of memory", RAM_RULE)
    size = int(match[1]) * _UNITS[match[2]]
    if size > RAM_LIMIT_BYTES:
        raise InvalidInputError(field, f"{shown(value)} is more than any machine has", RAM_RULE)
    return size
