"""The tables as they are now, in a database that has none or those of an earlier version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect

from pipeyard.store.tables import metadata

VERSION_TABLE = "alembic_version"


def newest_revision() -> str:
    """Of those in versions/, by the names of their files."""
    return max(path.name[1:5] for path in (Path(__file__).parent / "versions").glob("r[0-9]*.py"))


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date, within the caller's transaction. Raises StoreError if they are newer than we are."""
    present, newest = _present_revision(connection), newest_revision()
    if present is None:
        metadata.create_all(connection, checkfirst=False)
        connection.exec_driver_sql(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} VALUES ('{newest}')")
    elif present != newest:
        # Its import is a quarter of a start, and hardly any start has something to change.
        from pipeyard.store.migrations.steps import take_steps  # noqa: PLC0415

        take_steps(connection, present, newest)


def _present_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    return revision
