"""The tables are the sum of the migrations."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from pipeyard.errors import StoreError
from pipeyard.logs.sqlite import STEPS, SqliteLogStore
from pipeyard.store import migrations
from pipeyard.store.migrations import newest_revision, upgrade
from pipeyard.store.migrations.steps import take_steps
from pipeyard.store.sqlite import SqliteStore
from pipeyard.store.tables import metadata

KEY = Fernet.generate_key()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'migrated.sqlite'}", poolclass=NullPool)
    yield made
    made.dispose()


def schema(connection: Connection) -> dict[str, list[str]]:
    """The clauses of each table and index, whatever their order; a column that was added stands behind the last one."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: clauses(sql) for name, sql in rows if "alembic" not in name}


def clauses(sql: str) -> list[str]:
    """A column that was added later stands on the last line, behind the constraints."""
    _, _, content = sql.partition("(")
    return sorted(part.strip() for part in re.split(r",(?![^()]*\))", content.rstrip().removesuffix(")")))


def test_the_tables_equal_the_sum_of_the_migrations(engine: Engine) -> None:
    with engine.begin() as connection:
        take_steps(connection, None, newest_revision())
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        migrated = schema(connection)
    created = create_engine("sqlite://", poolclass=NullPool)
    with created.connect() as connection:
        upgrade(connection)
        assert schema(connection) == migrated
        assert MigrationContext.configure(connection).get_current_revision() == newest_revision()


def test_the_files_of_the_migrations_are_named_after_them() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert [Path(script.path).name[:5] for script in scripts] == [f"r{script.revision}" for script in scripts]
    assert scripts[0].revision == newest_revision()


def test_an_upgrade_keeps_deployments_and_their_executions(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")  # as the store has it
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, columns, values in (
            ("environments", "id, name, created_at", "'e', 'default', 1"),
            ("pipelines", "id, environment_id, name, origin, status, created_at, created_by, declaration",
             "'p', 'e', 'p', 'local', 'ready', 1, 'ada', '{}'"),
            ("deployments", "id, environment_id, name, pipeline_id, rule, mode, status, is_enabled, "
             "enable_parallel_executions, max_parallel_executions_per_pod, created_at, created_by, updated_at, "
             "updated_by, mappings",
             "'d', 'e', 'd', 'p', 'endpoint', 'elastic', 'up', 1, 0, 6, 1, 'ada', 1, 'ada', ''"),
            ("executions", "id, environment_id, pipeline_id, deployment_id, server_id, status, created_at, created_by, "
             "mappings, input_values", "'x', 'e', 'p', 'd', 's', 'Succeeded', 1, 'ada', '', ''"),
        ):  # fmt: skip
            connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({values})")
        connection.commit()
        upgrade(connection)
        connection.commit()
        assert connection.exec_driver_sql("SELECT id, schedule FROM deployments").all() == [("d", None)]
        assert connection.exec_driver_sql("SELECT id, deployment_id FROM executions").all() == [("x", "d")]
        for table in ("deployments", "executions"):
            assert connection.exec_driver_sql(f"SELECT endpoint_id FROM {table}").all() == [("d",)]


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    for _ in range(2):
        with engine.begin() as connection:
            upgrade(connection)


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE executions (theirs)")  # the migration stumbles over it
    connection.close()
    with pytest.raises(StoreError, match="already exists"):
        SqliteStore.open(path, KEY)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("executions",)]
    connection.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"store\.sqlite.*newer version.*9999.*0\d{3}"):
        SqliteStore.open(path, KEY)


def test_a_log_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "logs.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StoreError, match=r"logs\.sqlite.*newer version.*999"):
        SqliteLogStore.open(path)


def test_a_log_file_is_made_once(tmp_path: Path) -> None:
    for _ in range(2):
        connection = sqlite3.connect(tmp_path / "logs.sqlite")
        logs = SqliteLogStore.open(tmp_path / "logs.sqlite")
        assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        connection.close()
        asyncio.run(logs.close())


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        SqliteStore.open(path, KEY)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        SqliteStore.open(tmp_path / "nowhere" / "store.sqlite", KEY)


@pytest.mark.anyio
async def test_two_that_open_a_new_database_at_once_both_succeed(tmp_path: Path) -> None:
    path = tmp_path / "a folder % with ? odd # signs" / "store.sqlite"
    path.parent.mkdir()
    with ThreadPoolExecutor(2) as threads:
        stores = list(threads.map(lambda _: SqliteStore.open(path, KEY), range(2)))
    for store in stores:
        await store.close()
    assert path.stat().st_mode & 0o077 == 0
