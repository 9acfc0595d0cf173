"""Retries: how often, when and after which failures an execution is tried again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeyard.domain.names import shown
from pipeyard.errors import InvalidInputError
from pipeyard.pod.protocol import FailureKind

RETRIES_LIMIT = 100
RETRY_DELAY_LIMIT_S = 24 * 3600
# What may be otherwise the next time. A cancellation is meant, and an input that is missing stays so.
RETRIABLE = (
    FailureKind.RAISED,
    FailureKind.IMPORT_FAILED,
    FailureKind.INVALID_OUTPUT,
    FailureKind.TIMED_OUT,
    FailureKind.OUT_OF_MEMORY,
    FailureKind.OUT_OF_DISK,
    FailureKind.SIGNALLED,
    FailureKind.EXITED,
    FailureKind.STOPPED,
    FailureKind.LOST,
    FailureKind.PLATFORM,
)
RETRY_FIELDS = ("retries", "retry_delay_s", "retry_on")


@dataclass(frozen=True)
class Retries:
    """At most `count` more attempts, each `delay_s` after the end of the one before, after failures of these kinds."""

    count: int = 0
    delay_s: int = 0
    on: tuple[str, ...] = RETRIABLE

    def allow(self, attempt: int, kind: str) -> bool:
        """Whether another attempt follows that one (the first is 1), which failed so."""
        return attempt <= self.count and kind in self.on


NO_RETRIES = Retries()


def read_retries(fields: Mapping[str, Any], before: Retries) -> Retries:
    """The retries of a request; what it does not say is as before. Raises InvalidInputError naming the field."""
    count, delay_s, kinds = (fields.get(name) for name in RETRY_FIELDS)
    return Retries(
        before.count if count is None else _whole("retries", count, RETRIES_LIMIT),
        before.delay_s if delay_s is None else _whole("retry_delay_s", delay_s, RETRY_DELAY_LIMIT_S),
        before.on if kinds is None else _kinds("retry_on", kinds),
    )


def _whole(field: str, value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidInputError(field, f"{shown(value)} is not usable", f"a whole number from 0 to {most}")
    return value


def _kinds(field: str, value: object) -> tuple[str, ...]:
    allowed = ", ".join(RETRIABLE)
    if not isinstance(value, list) or not value:
        raise InvalidInputError(field, f"{shown(value)} is not a list of kinds of failures", allowed)
    for kind in value:
        if kind not in RETRIABLE:
            raise InvalidInputError(field, f"{shown(kind)} is not a kind after which there is another attempt", allowed)
    return tuple(kind for kind in RETRIABLE if kind in value)


def retries_to_json(retries: Retries) -> str | None:
    """As it is stored; None: none."""
    return None if retries == NO_RETRIES else json.dumps([retries.count, retries.delay_s, retries.on])


def retries_from_json(text: str | None) -> Retries:
    """The inverse of `retries_to_json`."""
    if text is None:
        return NO_RETRIES
    count, delay_s, kinds = json.loads(text)
    return Retries(count, delay_s, tuple(kinds))
