"""`pipeyard down`."""

from __future__ import annotations

import asyncio
import os
import select
import signal

import typer

from pipeyard.data_folder import DataFolder
from pipeyard.errors import SettingsError
from pipeyard.server import end_left_pods
from pipeyard.settings import Settings

END_TIMEOUT_S = 60


def end_everything(settings: Settings) -> None:
    """Ctrl-C for the server, if one runs; then every pod that an earlier server left."""
    if not settings.data_dir.is_dir():
        raise SettingsError(f"data_dir: there is no {settings.data_dir}")
    folder = DataFolder(settings.data_dir)
    pid = folder.server_pid()
    if pid is not None:
        _interrupt(pid)
        typer.echo(f"ended the server (process {pid}) and its pods")
    ended = asyncio.run(end_left_pods(settings, folder))
    if ended:
        typer.echo(f"ended {ended} {'pod' if ended == 1 else 'pods'} that an earlier server had left")
    elif pid is None:
        typer.echo(f"nothing runs for {settings.data_dir}")


def _interrupt(pid: int) -> None:
    """SIGINT, then wait for the end: an event on a descriptor, for a process that is not our child."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGINT)
        ended, _, _ = select.select([descriptor], [], [], END_TIMEOUT_S)
        if not ended:
            raise SettingsError(f"the server (process {pid}) did not end within {END_TIMEOUT_S} s; look at its log")
    finally:
        os.close(descriptor)
