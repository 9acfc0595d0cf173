"""`pipeyard up`."""

from __future__ import annotations

import logging
from pathlib import Path

import typer
import uvloop

from pipeyard.data_folder import Credentials
from pipeyard.server import serve
from pipeyard.settings import Settings
from pipeyard.wiring import Platform


def run_server(settings: Settings) -> None:
    """Serve until a signal."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("alembic", "uvicorn", "python_multipart"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    uvloop.run(serve(settings, _announce))


def _announce(platform: Platform, credentials: Credentials, written: Path) -> None:
    typer.echo(f"Pipeyard is up: {credentials.environment_url}")
    typer.echo(f"  credentials    {written}")
    typer.echo(f"  API            {credentials.environment_url}/api/docs")
    typer.echo(f"  pod isolation  {platform.adapters.runtime.isolation.value}")
