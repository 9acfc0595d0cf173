"""The way from any point in the history of the tables to the present, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pipeyard.errors import StoreError


def take_steps(connection: Connection, present: str | None, newest: str) -> None:
    """Migrate from `present` (None: from nothing). Raises StoreError when this version does not know it."""
    config = Config()
    # A literal % would be taken for the start of a placeholder.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise StoreError(
            f"it was written by a newer version of Pipeyard (tables {present}, this version knows {newest}): "
            "install that version, or restore a copy made before the upgrade"
        )
    command.upgrade(config, newest)
