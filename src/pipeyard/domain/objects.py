"""Objects of the data store: their paths, the keys under which a store keeps them, what a signed URL opens."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from pipeyard.domain.names import check_text, shown
from pipeyard.errors import InvalidInputError

# A key of S3 has at most 1024 bytes, a name in a folder 255: the platform's own prefixes and suffixes fit beside these.
PATH_MAX_BYTES = 900
NAME_MAX_BYTES = 250
PATH_RULE = f"names joined by single slashes, such as data/train.csv, at most {PATH_MAX_BYTES} bytes in all"

_FILE_NAME = "${filename}"  # of S3's forms, in whatever key
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# Each with the longest text that can take its place: an execution's id is a pipeline's name and 13 characters.
_PLACEHOLDERS = {"execution_id": "x" * 113, "date": "20260101", "date_time": "20260101_000000"}


@dataclass(frozen=True)
class StoredObject:
    """An object without its content. `path`: as it was asked for. `etag` changes whenever the content does."""

    path: str
    size: int
    modified_at: datetime
    etag: str  # with its quotes


@dataclass(frozen=True)
class Part:
    """A stored part of an upload. `number` from 1."""

    number: int
    size: int
    etag: str


AccessKind = Literal["read", "write", "part", "archive"]


@dataclass(frozen=True)
class Access:
    """What a signed URL opens: `kind` is read, write (at most `size` bytes) or part (exactly `size` bytes).

    Or archive, the code of a pipeline: it is in no data store, and `key` is the pipeline's id.
    """

    kind: AccessKind
    key: str
    size: int = 0
    upload_id: str = ""
    number: int = 0


@dataclass(frozen=True)
class SignedRequest:
    """Where to send a request that needs no token, and the form fields to send before the file."""

    url: str
    fields: dict[str, str]


def check_object_path(field: str, value: object) -> str:
    """The path, if an object can have it. Raises InvalidInputError."""
    if value is None or value == "":
        raise InvalidInputError(field, "is missing", PATH_RULE)
    text = check_text(field, value)
    problem = _problem(text)
    if problem is not None:
        raise InvalidInputError(field, f"{shown(text)} {problem}", PATH_RULE)
    return text


def _problem(text: str) -> str | None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "has half of a surrogate pair in it"
    if size > PATH_MAX_BYTES:
        return f"has {size} bytes"
    if _FILE_NAME in text:
        return f"has {_FILE_NAME} in it, for which S3 puts the name of the file that is sent"
    if any(unicodedata.category(character) == "Cc" for character in text):
        return "has a control character in it"
    names = text.split("/")
    if "" in names:
        return "begins or ends with a slash, or has two in a row"
    if "." in names or ".." in names:
        return "has . or .. as a name in it"
    longest = max(len(name.encode()) for name in names)
    return f"has a name of {longest} bytes in it, at most {NAME_MAX_BYTES}" if longest > NAME_MAX_BYTES else None


def check_folder_path(field: str, value: object) -> str:
    """The folder with a slash at its end, "" for everything. Raises InvalidInputError."""
    text = "" if value is None else check_text(field, value).removesuffix("/")
    return f"{check_object_path(field, text)}/" if text else ""


def check_output_path(field: str, value: object) -> str:
    """The path of an output destination, with placeholders. Raises InvalidInputError."""
    text = check_text(field, value)
    known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    for name in _PLACEHOLDER.findall(text):
        if name not in _PLACEHOLDERS:
            raise InvalidInputError(field, f"{shown(f'{{{name}}}')} is not a placeholder", known)
    longest = _PLACEHOLDER.sub(lambda match: _PLACEHOLDERS[match[1]], text)
    if "{" in longest or "}" in longest:
        raise InvalidInputError(field, f"{shown(text)} has a brace that belongs to no placeholder", known)
    check_object_path(field, longest)
    return text


def expand_output_path(path: str, execution_id: str, at: datetime) -> str:
    """The path of one execution's output. `at`: when the execution was created."""
    utc = at.astimezone(timezone.utc)
    texts = {"execution_id": execution_id, "date": f"{utc:%Y%m%d}", "date_time": f"{utc:%Y%m%d_%H%M%S}"}
    return _PLACEHOLDER.sub(lambda match: texts[match[1]], path)


def object_key(environment_id: str, path: str) -> str:
    """Under which a store keeps a user's object: never the key of another environment's, or of the platform's own."""
    return f"objects/{environment_id}/{path}"


def check_key(key: str) -> list[str]:
    """The names in a key, from the outermost. Raises InvalidInputError for one that could lead out of a store."""
    names = key.split("/")
    if any(name in ("", ".", "..") or "\0" in name or len(name.encode()) > NAME_MAX_BYTES for name in names):
        raise InvalidInputError("path", f"{shown(key)} is not usable", PATH_RULE)
    return names
