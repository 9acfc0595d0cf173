"""`pipeyard backup`, `restore`, `rotate-key`: the data folder as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeyard.cli.platforms import DataDir, load, server_packages
from pipeyard.cli.sessions import new_app
from pipeyard.errors import SettingsError

app = new_app("The data folder as a whole.")
_SECRET = "It holds the platform's keys and tokens: whoever reads it can act as the owner of the platform."  # noqa: S105


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write, a gzip tar. There must be none of that name.")],
    data_dir: DataDir = None,
) -> None:
    """Write everything of a platform into one archive, while it runs or not. The archive holds secrets."""
    with server_packages():
        from pipeyard.data_folder import DataFolder
        from pipeyard.server import back_up

    settings = load(data_dir=data_dir)
    files = back_up(DataFolder(_existing(settings.data_dir)), file.absolute())
    typer.echo(f"{files} files of {settings.data_dir} are in {file} ({file.stat().st_size} bytes). {_SECRET}")
    if settings.data_store_url:
        typer.echo(f"The objects in {settings.data_store_url} are not in it.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `pipeyard backup` has written.")], data_dir: DataDir = None
) -> None:
    """Make a data folder out of a backup. The folder must be new or empty.

    Executions that had not ended end as Error: they may have run since. Images are built again by the next start.
    """
    with server_packages():
        from pipeyard.server import restore as restore_into

    settings = load(data_dir=data_dir)
    files = restore_into(settings, file)
    typer.echo(f"{files} files are restored to {settings.data_dir}; start it with `pipeyard up`.")


@app.command()
def rotate_key(data_dir: DataDir = None) -> None:
    """Encrypt all secrets of a stopped platform with a new key. It may be killed and begun again."""
    with server_packages():
        from pipeyard.data_folder import DataFolder
        from pipeyard.server import rotate_key as rotate

    settings = load(data_dir=data_dir)
    count, place = rotate(DataFolder(_existing(settings.data_dir)))
    typer.echo(f"{count} secrets are encrypted with the new key in {place}. Earlier backups hold the old one.")


def _existing(data_dir: Path) -> Path:
    if not (data_dir / "pipeyard.db").is_file():
        raise SettingsError(f"data_dir: there is no platform in {data_dir}")
    return data_dir
