"""What a caller has seen survives the death of the process: these tests need a process that can be killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from pipeyard.domain.log_lines import LogRange, Subject
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

KEY = Fernet.generate_key()

PROGRAM = """
import asyncio, sys
from datetime import datetime, timezone
from pathlib import Path
from pipeyard.domain.executions import NewExecution
from pipeyard.domain.log_lines import LogBatch, LogLine, Subject
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.users import Environment
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.store.sqlite import SqliteStore

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)

async def main(folder, key):
    store, logs = SqliteStore.open(folder / "store.sqlite", key), SqliteLogStore.open(folder / "logs.sqlite")
    await store.add_environment(Environment("e", "default", NOON))
    declaration = PipelineDeclaration("train", "a.py", "f", None, (), (), ContainerConfig())
    await store.add_pipeline(Pipeline("p", "e", declaration, Origin.LOCAL, PipelineStatus.READY, NOON, "ada"))
    number = 0
    while True:
        number += 1
        name = f"x{number}"
        await store.add_execution(NewExecution(name, "e", "p", None, "{}", "{}", NOON, "ada"), "s1")
        await logs.append(LogBatch(Subject.EXECUTION, name, (LogLine(NOON, name),)))
        print(name, flush=True)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2].encode()))
"""


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
