"""`pipeyard env`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeyard.cli.completions import complete_variables
from pipeyard.cli.each import do_each
from pipeyard.cli.failures import CommandLineError
from pipeyard.cli.sessions import Session, client_command, new_app
from pipeyard.cli.texts import read_stdin, read_text

app = new_app("Environment variables that pods see.")
HIDDEN = "(hidden)"


@client_command(app, "ls")
def list_all(
    session: Session, show: Annotated[bool, typer.Option("--show", help="With their values.")] = False
) -> None:
    """List environment variables. Values stay hidden without --show."""
    found = session.sdk.list_environment_variables()
    hidden = None if session.printer.as_json else HIDDEN
    rows = [{"name": row["name"], "value": row["value"] if show else hidden} for row in found]
    session.printer.rows(rows, {"name": "VARIABLE", "value": "VALUE"})


@client_command(app, "set")
def set_values(
    session: Session,
    values: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE", help="NAME=- reads the value from stdin, NAME=@FILE a file.")
    ],
) -> None:
    """Create or replace environment variables."""
    read = dict(_read(text) for text in values)  # all of them, before the first is written

    def write(name: str) -> str:
        session.sdk.create_or_update_environment_variable(name, read[name])
        return name

    do_each(session, "set", read, write)


def _read(text: str) -> tuple[str, str]:
    name, has_value, value = text.partition("=")
    if not name or not has_value:
        raise CommandLineError("env set", f'"{text[:60]}" has no value', "NAME=VALUE, NAME=-, NAME=@FILE")
    if value == "-":
        return name, read_stdin().rstrip("\n")
    if value.startswith("@"):
        return name, read_text(Path(value[1:])).rstrip("\n")
    return name, value


@client_command(app, "rm")
def remove(
    session: Session,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="The variables.", autocompletion=complete_variables)
    ],
) -> None:
    """Delete environment variables."""

    def delete(name: str) -> str:
        session.sdk.delete_environment_variable(name)
        return name

    do_each(session, "deleted", names, delete)
