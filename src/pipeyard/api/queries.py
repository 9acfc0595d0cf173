"""Reading queries and small JSON bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request

from pipeyard import clock
from pipeyard.domain.log_lines import LogRange
from pipeyard.domain.names import check_keys, shown
from pipeyard.domain.retries import RETRIES_LIMIT
from pipeyard.errors import InvalidInputError
from pipeyard.pod.depth import DEPTH_MAX, is_too_deep

LIMIT_MAX = 1_000_000_000
LATEST_MS = 253_402_300_799_000  # the year 9999, the last that the standard library can hold


async def read_json(request: Request) -> Any:
    """The JSON body, None when it is empty. Raises InvalidInputError."""
    body = await request.body()
    if not body.strip():
        return None
    try:
        return parse_json("body", body)
    except ValueError:
        raise InvalidInputError(
            "body",
            f"is not JSON (Content-Type: {content_type(request) or 'none'})",
            "a JSON object, or multipart/form-data with files",
        ) from None


def parse_json(field: str, text: str | bytes) -> Any:
    """The value. Raises ValueError for what is not JSON, InvalidInputError for what is nested too deeply."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(field) from None
    opened = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if opened > DEPTH_MAX and is_too_deep(value):
        raise _too_deep(field)
    return value


def _too_deep(field: str) -> InvalidInputError:
    return InvalidInputError(field, "is nested too deeply", f"at most {DEPTH_MAX} levels")


def content_type(request: Request) -> str:
    """The media type of the body in small letters, without parameters; "" when none is said."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body or null is an empty one. Raises InvalidInputError."""
    content = await read_json(request)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InvalidInputError("body", f"must be a JSON object, got {type(content).__name__}")
    return content


def read_flag(request: Request, *names: str) -> bool:
    """Whether one of the query parameters is true, in any spelling. Raises InvalidInputError."""
    given = {name: request.query_params[name] for name in names if name in request.query_params}
    return True in [parse_flag(name, text) for name, text in given.items()]  # a list: each is checked


def parse_flag(field: str, text: str) -> bool:
    """True and False in any case (wire.md 7.7). Raises InvalidInputError."""
    if text.lower() not in ("true", "false"):
        raise InvalidInputError(field, f"{shown(text)} is not usable", "true, false")
    return text.lower() == "true"


def read_whole(request: Request, name: str, least: int, most: int, default: int | None = None) -> int:
    """A whole number out of the query. Raises InvalidInputError."""
    text = request.query_params.get(name)
    allowed = f"a whole number from {least} to {most}"
    if text is None:
        if default is None:
            raise InvalidInputError(name, "is missing", allowed)
        return default
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not is_number or not least <= int(text) <= most:
        raise InvalidInputError(name, f"{shown(text)} is not usable", allowed)
    return int(text)


def check_query(request: Request, known: tuple[str, ...]) -> None:
    """Raises InvalidInputError for a parameter that is not known or is there twice: it would be ignored in silence."""
    names = [name for name, _ in request.query_params.multi_items()]
    check_keys("", dict.fromkeys(names), known)
    for name in set(names):
        if names.count(name) > 1:
            raise InvalidInputError(name, "is there more than once", "one value")


def check_whole(name: str, value: object, least: int, most: int) -> int:
    """The value of a JSON object, if it is a whole number in that range. Raises InvalidInputError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInputError(name, f"{shown(value)} is not usable", f"a whole number from {least} to {most}")
    return value


def read_instant(fields: Mapping[str, Any], name: str) -> datetime:
    """An instant out of a JSON object. Raises InvalidInputError."""
    value = fields.get(name)
    allowed = "an instant since 1970 with its offset, for example 2026-11-22T10:00:00.000Z"
    if value is None:
        raise InvalidInputError(name, "is missing", allowed)
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is not None and clock.to_epoch_ms(instant) >= 0:
            return instant.astimezone(timezone.utc)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidInputError(name, f"{shown(value)} is not usable", allowed)


async def read_log_range(request: Request, *more: str) -> LogRange:
    """`from`, `to` in milliseconds since 1970 and `limit` of a logs request, and `more`. Raises InvalidInputError."""
    fields = await read_object(request)
    check_keys("", fields, ("from", "to", "limit", *more))
    attempt = fields.get("attempt")
    numbers = {}
    for key, most in (("from", LATEST_MS), ("to", LATEST_MS), ("limit", LIMIT_MAX)):
        value = fields.get(key)
        numbers[key] = None if value is None else check_whole(key, value, 0, most)
    return LogRange(
        None if numbers["from"] is None else clock.from_epoch_ms(numbers["from"]),
        None if numbers["to"] is None else clock.from_epoch_ms(numbers["to"]),
        numbers["limit"],
        None if attempt is None else check_whole("attempt", attempt, 1, RETRIES_LIMIT + 1),
    )
