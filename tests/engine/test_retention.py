"""What is older or more than is wanted goes, the oldest first; what is open or still needed never does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from pipeyard import clock
from pipeyard.data_store.local import LocalDataStore
from pipeyard.domain.executions import ExecutionFilter, ExecutionStatus, NewExecution, Outcome, output_path
from pipeyard.domain.log_lines import LogBatch, LogLine, LogRange, Subject
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.records import mappings_to_json
from pipeyard.domain.users import Environment
from pipeyard.engine import retention
from pipeyard.engine.retention import Retention
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.monitoring.prometheus import PrometheusMeters
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.executions import ExecutionService
from pipeyard.services.notices import Notices
from pipeyard.settings import Settings
from pipeyard.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

MEGABYTE = 1_000_000
TODAY = clock.now()


class History:
    """A store, logs and files, with executions that ended so many days ago."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = SqliteStore.open(folder / "store.sqlite", Fernet.generate_key())
        self.logs = SqliteLogStore.open(folder / "logs.sqlite")
        self.files = LocalDataStore(folder / "data_store")
        self.batches = 0

    async def begin(self) -> History:
        await self.store.add_environment(Environment("e", "default", TODAY))
        declaration = PipelineDeclaration("train", "a.py", "f", None, (), (), ContainerConfig())
        await self.store.add_pipeline(Pipeline("p", "e", declaration, Origin.LOCAL, PipelineStatus.READY, TODAY, "ada"))
        return self

    async def add(self, name: str, days_ago: float, *, ended: bool = True, size: int = 10) -> None:
        at = TODAY - timedelta(days=days_ago)
        values = f'"{"v" * size}"'
        await self.store.add_execution(
            NewExecution(name, "e", "p", None, mappings_to_json((), ()), values, at, "ada"), "s"
        )
        await self.logs.append(LogBatch(Subject.EXECUTION, name, (LogLine(at, "l" * size),)))
        await self.add_object(output_path(name, "f"), days_ago, size)
        if ended:
            await self.store.finish_execution(name, "s", Outcome(ExecutionStatus.SUCCEEDED, at))

    async def add_object(self, path: str, days_ago: float, size: int = 10) -> None:
        file = self.folder / "on its way"
        file.write_bytes(b"f" * size)
        at = (TODAY - timedelta(days=days_ago)).timestamp()
        os.utime(file, (at, at))
        await self.files.take(path, file)

    def retention(self, **settings: Any) -> Retention:
        async def pause(seconds: float) -> None:
            self.batches += 1

        cleaning = Cleaning(self.files, self.logs)
        executions = ExecutionService(
            self.store,
            cast(Any, None),
            self.files,
            cast(Any, None),
            Notices(),
            cleaning,
            PrometheusMeters(),
            "s",
            1000,
        )
        chosen = SimpleNamespace(**dict.fromkeys(SETTINGS, 0) | settings)
        return Retention(self.store, self.logs, self.files, executions, cast(Settings, chosen), pause)

    async def rows(self) -> set[str]:
        return {row.id for row in await self.store.list_executions(ExecutionFilter("e", limit=1000))}

    async def printed(self, *names: str, subject: Subject = Subject.EXECUTION) -> set[str]:
        return {name for name in names if await self.logs.read(subject, name, LogRange())}

    async def with_files(self) -> set[str]:
        return {found.path.split("/")[1] for found in await self.files.list("executions/", "", 1000)}


SETTINGS = [f"{what}_keep_{how}" for what in ("executions", "logs", "files") for how in ("days", "bytes")]


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    made = await History(tmp_path).begin()
    yield made
    await made.store.close()
    await made.logs.close()


async def sweep(kept: Retention) -> None:
    await kept.sweep_executions()
    await kept.sweep_logs()
    await kept.sweep_files()


def test_nothing_is_forgotten_by_default() -> None:
    assert {name: getattr(Settings(), name) for name in SETTINGS} == dict.fromkeys(SETTINGS, 0)


async def test_without_a_setting_all_stays(history: History) -> None:
    await history.add("ancient", 1000)
    await sweep(history.retention())
    assert await history.rows() == await history.with_files() == await history.printed("ancient") == {"ancient"}


async def test_executions_go_by_age_with_all_that_belongs_to_them(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        await history.add(f"old-{number}", 8)
    await history.add("open", 8, ended=False)
    await history.add("new", 6)
    await history.retention(executions_keep_days=7).sweep_executions()
    assert await history.rows() == await history.with_files() == {"open", "new"}
    assert await history.printed("open", "new", *(f"old-{n}" for n in range(5))) == {"open", "new"}
    assert history.batches == 3


async def test_executions_go_by_size_the_oldest_first_until_it_fits(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    await history.add("open", 9, ended=False, size=MEGABYTE)
    for number in range(4):
        await history.add(f"x{number}", 9 - number, size=MEGABYTE)
    await history.retention(executions_keep_bytes=3_500_000).sweep_executions()
    assert await history.rows() == {"open", "x2", "x3"}
    await history.retention(executions_keep_bytes=1).sweep_executions()
    assert await history.rows() == {"open"}


async def test_lines_go_by_age_but_not_those_of_builds_and_of_what_is_open(history: History) -> None:
    await history.add("old", 8)
    await history.add("open", 8, ended=False)
    await history.add("new", 6)
    at = TODAY - timedelta(days=8)
    for subject, lines in ((Subject.PIPELINE, (at,)), (Subject.DEPLOYMENT, (at, TODAY))):
        await history.logs.append(LogBatch(subject, "p", tuple(LogLine(one, one.isoformat()) for one in lines)))
    await history.retention(logs_keep_days=7).sweep_logs()
    assert await history.printed("old", "open", "new") == {"open", "new"}
    assert await history.printed("p", subject=Subject.PIPELINE) == {"p"}
    (left,) = await history.logs.read(Subject.DEPLOYMENT, "p", LogRange())
    assert left.message == TODAY.isoformat()
    assert await history.rows() == await history.with_files() == {"old", "open", "new"}


async def test_lines_go_by_size_the_oldest_first(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LINES_BATCH", 1)
    names = [f"x{number}" for number in range(4)]
    for number, name in enumerate(names):
        await history.add(name, 9 - number, size=MEGABYTE)
    await history.retention(logs_keep_bytes=2_500_000).sweep_logs()
    assert await history.printed(*names) == {"x2", "x3"}


async def test_files_go_by_age_but_not_those_of_the_data_store_and_of_what_is_open(history: History) -> None:
    await history.add("old", 8)
    await history.add("open", 8, ended=False)
    await history.add("new", 6)
    await history.add_object("objects/e/model.bin", 100)
    await history.retention(files_keep_days=7).sweep_files()
    assert await history.with_files() == {"open", "new"}
    assert await history.files.find("objects/e/model.bin") is not None
    assert await history.rows() == {"old", "open", "new"}


async def test_files_go_by_size_those_of_the_oldest_executions_first(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    monkeypatch.setattr(retention, "FILES_BATCH", 2)
    await history.add("open", 9, ended=False, size=MEGABYTE)
    for number in range(4):
        await history.add(f"x{number}", 9 - number, size=MEGABYTE)
    await history.retention(files_keep_bytes=3 * MEGABYTE).sweep_files()
    assert await history.with_files() == {"open", "x2", "x3"}
