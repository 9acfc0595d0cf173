"""Single arguments, checked before anything is sent."""

from __future__ import annotations

import re
from numbers import Integral, Real
from typing import Any

_IN_A_HEADER = re.compile("[!-~]+")


def is_whole(value: Any) -> bool:
    """Whether it is a whole number, also one of NumPy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_limit(limit: Any) -> int | None:
    """The number, or None. Raises ValueError unless it is a whole one."""
    if limit is None:
        return None
    if not is_whole(limit):
        raise ValueError(f"'limit' must be a whole number, or None for all, got {limit!r}")
    return int(limit)


def check_seconds(timeout_s: Any) -> None:
    """Raises ValueError for what is neither a number nor None."""
    if timeout_s is not None and (not isinstance(timeout_s, Real) or isinstance(timeout_s, bool)):
        raise ValueError(f"'timeout_s' must be a number of seconds, or None to wait without an end, got {timeout_s!r}")


def check_endpoint_token(token: Any) -> None:
    """Raises ValueError, which does not show it, for what no header can carry."""
    if not isinstance(token, str):
        raise ValueError(f"'endpoint_token' must be text, got {type(token).__name__}")
    if not _IN_A_HEADER.fullmatch(token):
        raise ValueError(
            "'endpoint_token' is empty, or has a space, a line break or a character that is not ASCII; allowed: the "
            "token as get_deployment gives it"
        )
