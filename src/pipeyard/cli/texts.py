"""Text out of files and stdin: UTF-8, or a refusal that says which of them is not."""

from __future__ import annotations

import io
from pathlib import Path

import typer

from pipeyard.errors import InvalidInputError


def read_text(place: Path) -> str:
    """All of a file, with lines that end in a line feed alone. Raises InvalidInputError, OSError."""
    return _decoded(place.read_bytes(), str(place))


def read_stdin() -> str:
    """All of it, likewise. Raises InvalidInputError."""
    return _decoded(typer.get_binary_stream("stdin").read(), "stdin")


def _decoded(content: bytes, where: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8: byte 0x{content[error.start]:02x} at {error.start}"
        raise InvalidInputError(where, problem, "text in UTF-8") from None
    return io.StringIO(text, newline=None).read()
