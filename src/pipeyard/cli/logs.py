"""Options and printing that all logs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipeyard.cli.failures import CommandLineError
from pipeyard.cli.sessions import Session

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with the lines as they come.")]
Limit = Annotated[int | None, typer.Option(min=1, help="The first lines only.")]
Times = Annotated[bool, typer.Option("--timestamps", help="The time of each line before it.")]


def print_log(
    session: Session, read: Callable[..., Any], name: str, follow: bool, limit: int | None, timestamps: bool
) -> None:
    """`read` gives the lines, at once or as they come. Raises InvalidInputError."""
    if follow and limit is not None:
        raise CommandLineError("--limit", "does not go with --follow", "one of the two")
    lines = read(name) if follow else read(name, limit=limit)
    session.printer.log(lines, is_followed=follow, with_times=timestamps)
