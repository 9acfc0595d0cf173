"""`pipeyard up`, `down`, `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeyard import __version__

if TYPE_CHECKING:
    from pipeyard.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DataDir = Annotated[Path | None, typer.Option(help="The platform's folder.  [default: ~/.pipeyard]")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Pipeyard: a Python function with declared inputs and outputs becomes a deployed pipeline."""


@app.command()
def up(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 for any free one.  [default: 8642]")] = None,
) -> None:
    """Start the platform in the foreground. Ctrl-C ends it with its pods; SIGTERM leaves them to the next start."""
    from pipeyard.cli.up import run_server

    _guard(lambda: run_server(_settings(data_dir=data_dir, host=host, port=port)))


@app.command()
def down(data_dir: DataDir = None) -> None:
    """End whatever still runs for a data folder: the server and all its pods."""
    from pipeyard.cli.down import end_everything

    _guard(lambda: end_everything(_settings(data_dir=data_dir)))


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Say what this machine offers: how pods are isolated, which Pythons there are, how many GPUs."""
    from pipeyard.cli.doctor import examine

    _guard(lambda: examine(_settings(data_dir=data_dir)))


def _settings(**flags: Any) -> Settings:
    import os

    from pipeyard.settings import load_settings

    return load_settings(flags, os.environ)


def _guard(work: Any) -> None:
    """Our own errors are one line with the remedy, never a traceback."""
    from pipeyard.errors import PipeyardError

    try:
        work()
    except PipeyardError as error:
        typer.echo(f"pipeyard: {error.message}", err=True)
        raise typer.Exit(1) from None
