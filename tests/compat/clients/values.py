"""What a test gives to a client, the client's own classes by name among it, and how that travels to the driver."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Made:
    """An object of one of the client's classes, made where the client is."""

    name: str
    positional: tuple[Any, ...]
    named: dict[str, Any]


def _make(name: str, *positional: Any, **named: Any) -> Made:
    return Made(name, positional, named)


Input = partial(_make, "Input")
Output = partial(_make, "Output")
InputSource = partial(_make, "InputSource")
OutputDestination = partial(_make, "OutputDestination")


@dataclass(frozen=True)
class Member:
    """A member of one of the client's enumerations."""

    enumeration: str
    name: str


@dataclass(frozen=True)
class Stream:
    """A file object to read from."""

    content: bytes


@dataclass
class Sink:
    """A file object to write to; its content is there after the call."""

    content: bytes = b""


def encode(value: Any) -> Any:
    """As the driver reads it."""
    match value:
        case bytes():
            return {"$": "bytes", "base64": base64.b64encode(value).decode()}
        case Stream():
            return {"$": "stream", "base64": base64.b64encode(value.content).decode()}
        case Sink():
            return {"$": "sink"}
        case datetime():
            return {"$": "instant", "text": value.isoformat()}
        case Member():
            return {"$": "member", "enumeration": value.enumeration, "name": value.name}
        case Made():
            made = {"positional": encode(list(value.positional)), "named": encode(value.named)}
            return {"$": "made", "class": value.name, **made}
        case dict():
            return {key: encode(item) for key, item in value.items()}
        case list():
            return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """A result of the driver; an object that JSON does not have is the name of its type."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("$") == "bytes":
        return base64.b64decode(value["base64"])
    return value["type"] if "$" in value else {key: decode(item) for key, item in value.items()}
