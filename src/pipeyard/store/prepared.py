"""Statements for the hot path: written with SQLAlchemy, run by the driver alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import UpdateBase


class Prepared:
    """A write that is compiled once for each kind of database.

    SQLAlchemy's own way to run a statement costs four times what SQLite needs for it. This is for use within a
    transaction that SQLAlchemy has begun, on drivers whose connections have `execute`: sqlite3 and psycopg.
    """

    def __init__(self, statement: UpdateBase) -> None:
        self._statement = statement
        self._texts: dict[str, str] = {}

    def run(self, connection: Connection, given: Mapping[str, Any]) -> int:
        """How many rows it changed. Errors are the driver's: `connection.dialect.loaded_dbapi.IntegrityError`..."""
        return self.on(connection)(given)

    def on(self, connection: Connection) -> Callable[[Mapping[str, Any]], int]:
        """`run` for many times in one transaction."""
        text = self._texts.get(connection.dialect.name)
        if text is None:
            text = str(self._statement.compile(dialect=connection.dialect))
            self._texts[connection.dialect.name] = text
        driver: Any = connection.connection.driver_connection
        execute = driver.execute
        return lambda given: execute(text, given).rowcount
