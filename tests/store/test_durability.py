"""What a caller has seen survives the death of the process: these tests need a process that can be killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from endless_writers import endless_writer

from pipeyard.domain.log_lines import LogRange, Subject
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

KEY = Fernet.generate_key()

PROGRAM = endless_writer("""
async def write(store, name, execution, line):
    await execution()
    await line()
    print(name, flush=True)
""")


def write_until_killed(folder: Path, key: bytes) -> list[str]:
    """The ids that the process had printed, each after its commit."""
    program = [sys.executable, "-c", PROGRAM, str(folder), key.decode()]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout is not None
        seen = [writing.stdout.readline().strip() for _ in range(50)]
        writing.kill()
        return seen + writing.stdout.read().splitlines()


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    seen = write_until_killed(tmp_path, KEY)
    store, logs = SqliteStore.open(tmp_path / "store.sqlite", KEY), SqliteLogStore.open(tmp_path / "logs.sqlite")
    stored = [pending.id for pending in await store.list_open_executions()]
    assert stored[: len(seen)] == seen
    assert len(stored) <= len(seen) + 1
    for name in seen:
        assert [line.message for line in await logs.read(Subject.EXECUTION, name, LogRange())] == [name]
    await store.close()
    await logs.close()


def is_open(connection: sqlite3.Connection) -> bool:
    try:
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False


async def test_every_commit_is_synced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A loss of power cannot be tried here: the setting that survives it can be read.
    connect, connections = sqlite3.connect, []

    def record(*given: Any, **named: Any) -> sqlite3.Connection:
        connections.append(connect(*given, **named))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", record)
    store, logs = SqliteStore.open(tmp_path / "store.sqlite", KEY), SqliteLogStore.open(tmp_path / "logs.sqlite")
    full = 2
    in_use = [connection for connection in connections if is_open(connection)]
    assert {connection.execute("PRAGMA synchronous").fetchone() for connection in in_use} == {(full,)}
    assert {connection.execute("PRAGMA journal_mode").fetchone() for connection in in_use} == {("wal",)}
    assert len(in_use) >= 2
    await store.close()
    await logs.close()
