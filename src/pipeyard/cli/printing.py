"""What a command prints: JSON for programs, tables for a terminal, plain text for a pipe."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

Row = Mapping[str, Any]
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(\.\d+)?Z")
_SHORT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d|.{0,11}")
_NAME = 10


class Printer:
    """To stdout. With `as_json` nothing but one JSON document goes there."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.is_terminal = sys.stdout.isatty()

    def rows(self, rows: Sequence[Row], columns: Mapping[str, str]) -> None:
        """A table. `columns`: key in the rows to heading. A pipe gets tabs between and nothing cut off."""
        if self.as_json:
            self.json(list(rows))
            return
        cells = [[shown(row.get(key)) for key in columns] for row in rows]
        if self.is_terminal:
            _table(list(columns.values()), cells)
            return
        for line in [list(columns.values()), *cells]:
            typer.echo("\t".join(_flat(cell) for cell in line))

    def fields(self, fields: Row) -> None:
        """One thing: a name and a value a line; a list of things as a table of its own below its name."""
        if self.as_json:
            self.json(fields)
            return
        width = max((len(name) for name, value in fields.items() if not _is_table(value)), default=0)
        for name, value in fields.items():
            if _is_table(value):
                continue
            text = shown(value)
            typer.echo(f"{name:<{width}}  {text}" if self.is_terminal else f"{name}\t{_flat(text)}")
        for name, value in fields.items():
            if _is_table(value):
                typer.echo(f"\n{name}")
                keys = dict.fromkeys(key for row in value for key in row)
                self.rows(value, {key: key for key in keys})

    def done(self, said: str, answer: Row) -> None:
        """Something was done: a sentence, or what the platform answered."""
        if self.as_json:
            self.json(answer)
        else:
            typer.echo(said)

    def log(self, lines: Iterable[Row], *, is_followed: bool, with_times: bool) -> None:
        """Lines of a log. JSON: a list, or one object a line while they come."""
        if self.as_json and not is_followed:
            self.json(list(lines))
            return
        for line in lines:
            if self.as_json:
                self.json_line(line)
            else:
                typer.echo(f"{line['timestamp']}  {line['message']}" if with_times else line["message"])

    def json(self, value: Any) -> None:
        """A document. Bytes, which JSON has no form for, are their length."""
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_unknown_to_json))

    def json_line(self, value: Any) -> None:
        """A document on one line: more may follow."""
        typer.echo(json.dumps(value, ensure_ascii=False, default=_unknown_to_json))


def note(text: str) -> None:
    """For whoever watches: to stderr."""
    typer.echo(text, err=True)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def shown(value: Any) -> str:
    """A value as text; JSON where it has parts."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=_unknown_to_json)


def _flat(text: str) -> str:
    """On one line and in one column."""
    return text.replace("\t", " ").replace("\r", " ").replace("\n", " ")


def _unknown_to_json(value: Any) -> Any:
    return {"size_bytes": len(value)} if isinstance(value, bytes) else str(value)


def _table(headings: list[str], cells: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    cells = [[_INSTANT.sub(r"\1 \2", cell) for cell in line] for line in cells]
    # Names give way to what is short, while that leaves them something.
    console = Console(highlight=False)
    columns = list(zip(headings, *cells, strict=True))
    is_short = [all(map(_SHORT.fullmatch, column[1:])) for column in columns]
    needed = sum(max(map(len, column)) if short else _NAME for column, short in zip(columns, is_short, strict=True))
    fits = needed + len(columns) <= console.width
    for heading, short in zip(headings, is_short, strict=True):
        table.add_column(heading, overflow="fold", no_wrap=fits and short)
    for line in cells:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in line))
    console.print(table)


_STYLES = {
    **dict.fromkeys(("up", "ready", "Succeeded"), "green"),
    **dict.fromkeys(("creation_failed", "Failed", "Error"), "red"),
    **dict.fromkeys(("creation_pending", "down_retrying", "Pending", "Running"), "yellow"),
    **dict.fromkeys(("disabled", "standby", "Skipped"), "dim"),
}
