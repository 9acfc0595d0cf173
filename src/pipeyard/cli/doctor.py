"""`pipeyard doctor`."""

from __future__ import annotations

import asyncio

import typer

from pipeyard.server import examine_machine
from pipeyard.settings import Settings


def examine(settings: Settings) -> None:
    """One line per finding."""
    for name, finding in asyncio.run(examine_machine(settings)):
        typer.echo(f"{name:<14} {finding}")
