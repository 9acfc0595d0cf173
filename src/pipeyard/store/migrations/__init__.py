"""The history of the tables, and the way from any point of it to the present."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pipeyard.errors import StoreError


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date, within the caller's transaction. Raises StoreError if they are newer than we are."""
    config = Config()
    # A literal % would be taken for the start of a placeholder.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    present, newest = MigrationContext.configure(connection).get_current_revision(), scripts.get_current_head()
    if present == newest:
        return
    if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"it was written by a newer version of Pipeyard (tables {present}, this version knows {newest}): "
            "install that version, or restore a copy made before the upgrade"
        )
    command.upgrade(config, "head")
