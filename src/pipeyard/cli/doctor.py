"""`pipeyard doctor`."""

from __future__ import annotations

import asyncio

import typer

from pipeyard.data_folder import DataFolder
from pipeyard.server import examine_machine
from pipeyard.settings import Settings


def examine(settings: Settings) -> None:
    """One line per finding."""
    for name, finding in asyncio.run(examine_machine(settings, DataFolder(settings.data_dir))):
        typer.echo(f"{name:<14} {finding}")
