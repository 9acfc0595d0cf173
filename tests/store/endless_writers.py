"""Programs that store one execution and one line after the other, until they are killed."""

from __future__ import annotations

_OPENED = """
import asyncio, sys
from datetime import datetime, timezone
from pathlib import Path
from pipeyard.domain.executions import NewExecution
from pipeyard.domain.log_lines import LogBatch, LogLine, Subject
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.users import Environment
from pipeyard.errors import DiskError
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.store.sqlite import SqliteStore

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
"""
_MAIN = """
async def main(folder, key):
    store, logs = SqliteStore.open(folder / "store.sqlite", key), SqliteLogStore.open(folder / "logs.sqlite")
    await store.add_environment(Environment("e", "default", NOON))
    declaration = PipelineDeclaration("train", "a.py", "f", None, (), (), ContainerConfig())
    await store.add_pipeline(Pipeline("p", "e", declaration, Origin.LOCAL, PipelineStatus.READY, NOON, "ada"))
    number = 0
    while True:
        number += 1
        name = f"x{number}"
        await write(
            store,
            name,
            lambda: store.add_execution(NewExecution(name, "e", "p", None, "{}", "{}", NOON, "ada"), "s1"),
            lambda: logs.append(LogBatch(Subject.EXECUTION, name, (LogLine(NOON, name),))),
        )

asyncio.run(main(Path(sys.argv[1]), sys.argv[2].encode()))
"""


def endless_writer(write: str) -> str:
    """A program for a folder and a key. `write`: the code of `async def write(store, name, execution, line)`."""
    return _OPENED + write + _MAIN
