"""`pipeyard up`, `down`, `doctor`: the commands that need the server's packages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeyard.cli.sessions import new_app
from pipeyard.errors import SettingsError

if TYPE_CHECKING:
    from pipeyard.settings import Settings

app = new_app("The platform on this machine.")
DataDir = Annotated[Path | None, typer.Option(help="The platform's folder.  [default: ~/.pipeyard]")]


@app.command()
def up(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 for any free one.  [default: 8642]")] = None,
) -> None:
    """Start the platform in the foreground. Ctrl-C ends it with its pods; SIGTERM leaves them to the next start."""
    with server_packages():
        from pipeyard.cli.up import run_server

    run_server(load(data_dir=data_dir, host=host, port=port))


@app.command()
def down(data_dir: DataDir = None) -> None:
    """End whatever still runs for a data folder: the server and all its pods."""
    with server_packages():
        from pipeyard.cli.down import end_everything

    end_everything(load(data_dir=data_dir))


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Say what this machine offers: how pods are isolated, which Pythons there are, how many GPUs."""
    with server_packages():
        from pipeyard.cli.doctor import examine

    examine(load(data_dir=data_dir))


def load(**flags: Any) -> Settings:
    """The settings of the platform on this machine."""
    import os

    from pipeyard.settings import load_settings

    return load_settings(flags, os.environ)


@contextmanager
def server_packages() -> Iterator[None]:
    """Around imports. Raises SettingsError where only the client is installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"the server needs {error.name}, which is not installed: pip install 'pipeyard[server]'"
        raise SettingsError(message) from None
