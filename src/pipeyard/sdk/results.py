"""Results that show well in a prompt and in a notebook. They are plain dictionaries and lists in all else."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

T = TypeVar("T")

ROWS_MAX = 40  # shown of a list
_SECRET_KEYS = ("endpoint_token", "vector_database_token", "repository_deploy_key")
_SECRET_NAME = re.compile(r"token|secret|password|passwd|key|credential", re.IGNORECASE)
_SIZE_UNITS = ("B", "KB", "MB", "GB", "TB")


def record(kind: type[T], data: Mapping[str, Any]) -> T:
    """One result, of the shape `kind`."""
    return cast("T", Record(data))


def records(kind: type[T], rows: Iterable[Mapping[str, Any]]) -> list[T]:
    """A list of results, each of the shape `kind`."""
    return cast("list[T]", Records(Record(row) for row in rows))


def with_size(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object of the data store with its size as text beside the number."""
    size = float(item["size"])
    for unit in _SIZE_UNITS:
        if size < 1024 or unit == _SIZE_UNITS[-1]:
            break
        size /= 1024
    return {**item, "size": f"{size:.2f} {unit}", "size_bytes": item["size"]}


class Record(dict[str, Any]):
    """A result: a dictionary whose `repr` is a line per key, secrets shortened."""

    def __repr__(self) -> str:
        """A line per key."""
        return "\n".join(_cut(line, _terminal_width()) for line in _lines(self)) or "{}"

    def _repr_html_(self) -> str:
        cells = (f"<tr><th>{html.escape(key)}</th><td>{html.escape(_shown(self, key))}</td></tr>" for key in self)
        return f"<table>{''.join(cells)}</table>"


class Records(list[Record]):
    """Results: a list whose `repr` is a table, secrets shortened."""

    def __repr__(self) -> str:
        """A line per item, below the names of the columns."""
        if not self:
            return "[]"
        columns = _columns(self)
        lines = [columns, *([_cell(row, key) for key in columns] for row in self[:ROWS_MAX])]
        widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
        room = _terminal_width()
        text = [_cut("  ".join(map(str.ljust, line, widths)).rstrip(), room) for line in lines]
        return "\n".join(text + _rest(self))

    def _repr_html_(self) -> str:
        columns = _columns(self)
        head = "".join(f"<th>{html.escape(key)}</th>" for key in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(row, key))}</td>" for key in columns) + "</tr>"
            for row in self[:ROWS_MAX]
        )
        return f"<table><tr>{head}</tr>{body}</table>" + "".join(f"<p>{line}</p>" for line in _rest(self))


def _lines(owner: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """A line per key; what is below a key is indented under it."""
    nested = {key for key, value in owner.items() if isinstance(value, Mapping) and len(value) > 1}
    width = max((len(str(key)) for key in owner if key not in nested), default=0)
    for key, value in owner.items():
        if key in nested:
            yield f"{indent}{key}"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{key:<{width}}  {_shown(owner, key)}"


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _cell(row: Mapping[str, Any], key: str) -> str:
    return _shown(row, key) if key in row else ""


def _rest(rows: Sequence[Any]) -> list[str]:
    return [f"... and {len(rows) - ROWS_MAX} more"] if len(rows) > ROWS_MAX else []


def _shown(owner: Mapping[str, Any], key: str) -> str:
    """A value on one line; a secret as its beginning."""
    value = owner[key]
    names_a_secret = key == "value" and _SECRET_NAME.search(str(owner.get("name", "")))
    if isinstance(value, str) and (key in _SECRET_KEYS or names_a_secret):
        return f"{value[:4]}..."
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return _plain(value)


def _plain(value: Any) -> str:
    """As Python writes it, with what is below shown in the same way."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(value, key)}" for key in value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _terminal_width() -> int:
    return shutil.get_terminal_size((120, 24)).columns
