"""Paths inside a pipeline's code: relative, with `/`, and never out of it."""

from __future__ import annotations

from pipeyard.domain.names import check_text
from pipeyard.errors import InvalidInputError

PATH_LENGTH_LIMIT = 500
PATH_RULE = "a path inside the pipeline's folder, for example src/main.py"


def check_path(field: str, value: object) -> str:
    """The path without a leading `/` or `.` parts; "" is the folder itself. Raises InvalidInputError."""
    text = check_text(field, value)
    shown = f'"{text[:120]}"'
    if len(text) > PATH_LENGTH_LIMIT:
        raise InvalidInputError(field, f"has {len(text)} characters", f"at most {PATH_LENGTH_LIMIT}")
    if not text.isprintable():
        raise InvalidInputError(field, f"{text[:120]!r} has characters that cannot be printed", PATH_RULE)
    if "\\" in text:
        raise InvalidInputError(field, f"{shown} has a \\", f"{PATH_RULE}, with / between folders")
    # The public client's users write "/src/main.py" for the root of their folder.
    relative = text.removeprefix("/")
    if relative.startswith("/"):
        raise InvalidInputError(field, f"{shown} is an absolute path", PATH_RULE)
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidInputError(field, f'{shown} has ".." in it', PATH_RULE)
    return "/".join(parts)
