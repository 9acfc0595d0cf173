"""`pipeyard data`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Annotated, cast

import typer

from pipeyard.cli.completions import complete_objects
from pipeyard.cli.each import do_each
from pipeyard.cli.sessions import Session, client_command, new_app
from pipeyard.errors import InvalidInputError

app = new_app("Files of the data store.")


class _Stdout:
    """Stdout from where it stands. It has `write` alone: the client rewinds what it can, over what others wrote."""

    def write(self, piece: bytes) -> int:
        return typer.get_binary_stream("stdout").write(piece)


ObjectPath = Annotated[str, typer.Argument(metavar="OBJECT", help="Its path.", autocompletion=complete_objects)]


@client_command(app, "ls")
def list_objects(
    session: Session, folder: Annotated[str | None, typer.Argument(help="Only what is below it.")] = None
) -> None:
    """List objects."""
    columns = {"path": "OBJECT", "size": "SIZE", "last_modified": "MODIFIED"}
    session.printer.rows(session.sdk.list_data_store_objects(folder), columns)


@client_command(app, "put")
def put(
    session: Session,
    file: Annotated[Path, typer.Argument(help="The file to send.")],
    path: Annotated[
        str | None,
        typer.Argument(metavar="OBJECT", help="Where to: a path, or a folder ending in /. The file's name by default."),
    ] = None,
) -> None:
    """Upload a file."""
    if not file.is_file():
        raise InvalidInputError(str(file), "is not a file")
    target = file.name if path is None else f"{path}{file.name}" if path.endswith("/") else path
    try:
        target.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(ascii(target), "is not text in UTF-8", "an OBJECT that is") from None
    # Not by its path: the client sends the name with it, and the name of a file need not be text.
    with os.fdopen(os.open(file, os.O_RDONLY), "rb") as content:
        session.sdk.upload_data_store_object(content, target)
    session.printer.done(f"{file} is at {target}", {"path": target, "size": file.stat().st_size})


@client_command(app, "get")
def get(
    session: Session,
    path: ObjectPath,
    file: Annotated[
        Path | None, typer.Argument(help="Where to: a file, a folder, or - for stdout. Its name, here, by default.")
    ] = None,
) -> None:
    """Download an object."""
    if file == Path("-"):
        session.sdk.download_data_store_object(path, cast("IO[bytes]", _Stdout()))
        return
    name = path.rpartition("/")[2]
    target = Path(name) if file is None else file / name if file.is_dir() else file
    session.sdk.download_data_store_object(path, str(target))
    session.printer.done(f"{path} is in {target}", {"path": path, "file": str(target), "size": target.stat().st_size})


@client_command(app, "rm")
def remove(
    session: Session,
    paths: Annotated[list[str], typer.Argument(metavar="OBJECT", help="Their paths.", autocompletion=complete_objects)],
) -> None:
    """Delete objects."""
    do_each(session, "deleted", paths, session.sdk.delete_data_store_object)
