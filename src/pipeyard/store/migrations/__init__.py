"""The tables as they are now, in a database that has none or those of an earlier version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from pipeyard.store.tables import metadata

_VERSIONS = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def newest_revision() -> str:
    """Of those in versions/, by the names of their files."""
    return max(path.name[1:5] for path in (Path(__file__).parent / "versions").glob("r[0-9]*.py"))


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date, within the caller's transaction. Raises StoreError if they are newer than we are."""
    present, newest = _present_revision(connection), newest_revision()
    if present is None:
        metadata.create_all(connection, checkfirst=False)
        _VERSIONS.create(connection)
        connection.execute(insert(_VERSIONS).values(version_num=newest))
    elif present != newest:
        # Its import is a quarter of a start, and hardly any start has something to change.
        from pipeyard.store.migrations.steps import take_steps  # noqa: PLC0415

        take_steps(connection, present, newest)


def _present_revision(connection: Connection) -> str | None:
    return connection.scalar(select(_VERSIONS)) if inspect(connection).has_table(_VERSIONS.name) else None
