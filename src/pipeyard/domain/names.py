"""What users may call things. Names are never changed by us: they travel unescaped in URLs, so the rule is narrow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipeyard.errors import InvalidInputError

NAME_RULE = "1 to 100 characters out of A-Z a-z 0-9 _ . -, the first a letter or a digit"
VARIABLE_RULE = "letters, digits and _, the first not a digit, and not starting with CRAFT_AI_"
TOKEN_RULE = "8 to 200 characters out of A-Z a-z 0-9 . _ ~ -"  # noqa: S105

FREE_TEXT_LENGTH_LIMIT = 10_000
SHOWN_LENGTH = 60
SHOWN_NAMES = 20

NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
VARIABLE_PATTERN = "[A-Za-z_][A-Za-z0-9_]{0,254}"
TOKEN_PATTERN = "[A-Za-z0-9._~-]{8,200}"  # noqa: S105

_NAME = re.compile(NAME_PATTERN)
_VARIABLE = re.compile(VARIABLE_PATTERN)
_TOKEN = re.compile(TOKEN_PATTERN)
# `/endpoints/v1/...` is the versioned form of results.
_RESERVED_PATHS = frozenset({"v1"})


def check_text(field: str, value: object) -> str:
    """The value, if it is text. Raises InvalidInputError."""
    if not isinstance(value, str):
        raise InvalidInputError(field, f"must be text, got {type(value).__name__}")
    return value


def check_free_text(field: str, value: object, most: int = FREE_TEXT_LENGTH_LIMIT) -> str:
    """The value, if it is text that can be kept. Raises InvalidInputError."""
    text = check_text(field, value)
    if len(text) > most:
        raise InvalidInputError(field, f"has {len(text)} characters", f"at most {most}")
    if not is_storable(text):
        raise InvalidInputError(field, "has a NUL or half of a surrogate pair in it", "Unicode text")
    return text


def is_storable(text: str) -> bool:
    """Whether files, databases and processes take it: no NUL, and no lone surrogate, which UTF-8 has no form for."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def storable_text(text: str) -> str:
    """The text with its lone surrogates replaced: databases refuse them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def check_keys(place: str, item: Mapping[Any, Any], known: tuple[str, ...], allowed: tuple[str, ...] = ()) -> None:
    """Raises InvalidInputError for a key that is not known: a misspelt one would be ignored in silence."""
    for key in item:
        if key not in known:
            field = f"{place}.{key}" if place else str(key)
            raise InvalidInputError(field[:200], "is not a known field", ", ".join(allowed or known))


def shown(value: object) -> str:
    """A value as a message shows it: short, whatever was sent."""
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__}"
    text = repr(value[:SHOWN_LENGTH] if isinstance(value, str) else value)
    return text if len(text) <= 2 * SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"


def listed(names: Iterable[str]) -> str:
    """Names as a message lists them: the first few, each on one line."""
    known = list(names)
    first = ", ".join(name[:SHOWN_LENGTH] if name.isprintable() else shown(name) for name in known[:SHOWN_NAMES])
    return f"{first} and {len(known) - SHOWN_NAMES} more" if len(known) > SHOWN_NAMES else first


def check_name(field: str, value: object) -> str:
    """The value, if it is a name. Raises InvalidInputError."""
    if value is None or value == "":
        raise InvalidInputError(field, "is missing", NAME_RULE)
    text = check_text(field, value)
    if not _NAME.fullmatch(text):
        raise InvalidInputError(field, f'"{text[:120]}" is not a name', NAME_RULE)
    return text


def check_variable_name(field: str, value: object) -> str:
    """The value, if it can name an environment variable of the user. Raises InvalidInputError."""
    text = check_text(field, value)
    if not _VARIABLE.fullmatch(text) or text.startswith("CRAFT_AI_"):
        raise InvalidInputError(field, f'"{text[:120]}" is not a variable name', VARIABLE_RULE)
    return text


def check_endpoint_url_path(field: str, value: object) -> str:
    """The value, if it can be the last part of an endpoint's URL. Raises InvalidInputError."""
    text = check_name(field, value)
    if text in _RESERVED_PATHS:
        raise InvalidInputError(field, f'"{text}" is reserved for the versioned form of results', "any other name")
    return text


def check_endpoint_token(field: str, value: object) -> str:
    """The value, if it survives a URL unescaped (wire.md 3.9) and is not trivially short. Raises InvalidInputError."""
    text = check_text(field, value)
    if not _TOKEN.fullmatch(text):
        raise InvalidInputError(field, "is not usable as a token", TOKEN_RULE)
    return text
