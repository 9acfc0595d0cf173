"""`pipeyard up`, `down`, `doctor`: the commands that need the server's packages."""

from __future__ import annotations

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
    try:
        from pipeyard.cli.up import run_server
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None

    run_server(_settings(data_dir=data_dir, host=host, port=port))


@app.command()
def down(data_dir: DataDir = None) -> None:
    """End whatever still runs for a data folder: the server and all its pods."""
    try:
        from pipeyard.cli.down import end_everything
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None

    end_everything(_settings(data_dir=data_dir))


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Say what this machine offers: how pods are isolated, which Pythons there are, how many GPUs."""
    try:
        from pipeyard.cli.doctor import examine
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None

    examine(_settings(data_dir=data_dir))


def _settings(**flags: Any) -> Settings:
    import os

    from pipeyard.settings import load_settings

    return load_settings(flags, os.environ)


def _not_installed(error: ModuleNotFoundError) -> SettingsError:
    return SettingsError(f"the server needs {error.name}, which is not installed: pip install 'pipeyard[server]'")
