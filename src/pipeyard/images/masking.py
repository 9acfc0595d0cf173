"""Taking the values of variables out of the lines of a build log again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# Shorter values stand in ordinary words: they are only replaced where they stand alone.
ALONE_LENGTH = 4


def masking(secrets: Mapping[str, str], places: Mapping[str, str]) -> Callable[[str], str]:
    """A function that puts `${NAME}` for each value, URL-encoded or not. `places`: texts and what to say instead."""
    longest_first = sorted(((value, f"${{{name}}}") for name, value in secrets.items() if value), key=_length)
    texts = [*longest_first, *sorted(places.items(), key=_length)]
    if not texts:
        return str
    shown = [replacement for _, replacement in texts]
    pattern = re.compile("|".join(f"({_in_any_spelling(text)})" for text, _ in texts))

    def mask(line: str) -> str:
        return pattern.sub(lambda match: shown[(match.lastindex or 1) - 1], line)

    return mask


def _length(item: tuple[str, str]) -> int:
    return -len(item[0])


def _in_any_spelling(text: str) -> str:
    """A pattern for the text with any of its characters percent-encoded: URLs encode what they must, by many rules."""
    pattern = "".join(_character(character) for character in text)
    return pattern if len(text) >= ALONE_LENGTH else f"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"


def _character(character: str) -> str:
    encoded = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", errors="replace"))
    spellings = [re.escape(character), f"(?i:{encoded})"]
    if character == " ":
        spellings.append(r"\+")
    return f"(?:{'|'.join(spellings)})"
