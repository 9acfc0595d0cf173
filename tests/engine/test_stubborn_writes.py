"""What must be written down at the end of executions and builds, and what a pod keeps of a send that failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeyard.domain.claims import Supply
from pipeyard.domain.executions import ExecutionStatus, Failure, Outcome, PendingExecution
from pipeyard.domain.pipelines import PipelineStatus
from pipeyard.engine import patience
from pipeyard.engine.admission import Admission
from pipeyard.engine.builder import Builder
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.intake import Records
from pipeyard.engine.pods import Order
from pipeyard.engine.retrying import Retrying
from pipeyard.engine.workshop import Workshop
from pipeyard.errors import StoreError, UnavailableError
from pipeyard.monitoring.prometheus import PrometheusMeters

pytestmark = pytest.mark.anyio

UNUSED: Any = None
FAILURE = Failure("lost", "gone")


class Tables:
    """A store that is away for the first questions of each kind, and what it was told."""

    def __init__(self, times_away: int) -> None:
        self.times_away = times_away
        self.left: dict[str, int] = {}
        self.told: list[Any] = []

    async def _ask(self, what: str) -> None:
        left = self.left.setdefault(what, self.times_away)
        self.left[what] = left - 1
        if left > 0:
            raise StoreError("the disk is full")

    async def finish_execution(self, execution_id: str, server_id: str, outcome: Outcome) -> bool:
        await self._ask("finish")
        self.told.append((execution_id, outcome.status, outcome.failure))
        return True

    async def finish_build(self, pipeline_id: str, status: PipelineStatus, image: str | None) -> bool:
        await self._ask("finish")
        self.told.append((pipeline_id, status, image))
        return True

    async def get(self, environment_id: str) -> dict[str, str]:
        """Its variables."""
        await self._ask("variables")
        return {}

    async def append(self, batch: object) -> None: ...

    async def build(self, request: object, log: object) -> str:
        return "image"


class Link:
    """A pod whose connection does what a test says."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.in_flight: dict[str, int] = {}

    async def send(self, order: Order, variables: object, files: object) -> bool:
        self.in_flight[order.execution_id] = order.attempt
        if self.error is not None:
            raise self.error
        return True


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_DELAY_S", 0.001)


@pytest.fixture
async def tasks() -> AsyncIterator[GuardedTasks]:
    tasks = GuardedTasks()
    yield tasks
    await tasks.cancel_all()


def workshop(tables: Any, tasks: GuardedTasks, folders: Any = UNUSED) -> Workshop:
    ended: list[tuple[str, bool]] = []
    return Workshop(
        store=tables,
        runtime=UNUSED,
        images=tables,
        folders=folders,
        files=UNUSED,
        records=Records(
            tables,
            tables,
            UNUSED,
            "server",
            100,
            lambda one, outcome: ended.append((one, outcome is not None)),
            UNUSED,
            Retrying(),
        ),
        identities=UNUSED,
        tasks=tasks,
        meters=PrometheusMeters(),
        variables=tables,
        environment_urls=UNUSED,
        control_url="",
        elastic_ram_max_bytes=1,
        admission=Admission(Supply(1)),
        notify=lambda _: None,
    )


async def test_an_execution_that_no_pod_can_end_ends_once_the_database_is_back(tasks: GuardedTasks) -> None:
    tables = Tables(times_away=3)
    await workshop(tables, tasks).records.fail("one", ExecutionStatus.ERROR, FAILURE)
    assert tables.told == [("one", ExecutionStatus.ERROR, FAILURE)]


async def test_a_build_ends_although_the_database_was_away_at_its_begin_and_its_end(
    tasks: GuardedTasks, tmp_path: Path
) -> None:
    tables = Tables(times_away=2)
    folders = SimpleNamespace(code=lambda _: tmp_path)
    pipeline: Any = SimpleNamespace(id="p", name="p", environment_id="e", declaration=None)
    Builder(workshop(tables, tasks, folders), 1).build(pipeline)
    async with asyncio.timeout(5):
        while not tables.told:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert tables.told == [("p", PipelineStatus.READY, "image")]


EXECUTION = PendingExecution("one", "e", "p", None, '{"inputs": [], "outputs": []}', "{}", ExecutionStatus.PENDING)


async def test_a_pod_has_nothing_of_an_execution_whose_objects_went_away_in_the_middle(tasks: GuardedTasks) -> None:
    tables, pod = Tables(times_away=0), Link(UnavailableError("in the middle of a file"))
    with pytest.raises(UnavailableError):
        await workshop(tables, tasks).give(pod, EXECUTION, None)  # type: ignore[arg-type]
    assert pod.in_flight == {}
    assert tables.told == []


async def test_an_execution_that_cannot_be_given_for_too_long_says_what_was_away_and_what_to_do(
    tasks: GuardedTasks,
) -> None:
    tables = Tables(times_away=0)
    await workshop(tables, tasks).give_up("one", UnavailableError("in the middle of a file"))
    ((execution_id, status, failure),) = tables.told
    assert (execution_id, status) == ("one", ExecutionStatus.ERROR)
    assert failure.message == (
        "it could not be given to a pod for 10 minutes: the database or the data store could not be reached"
    )
    assert failure.remedy.startswith("Trigger it again")


async def test_an_execution_that_was_given_is_in_the_pod(tasks: GuardedTasks) -> None:
    pod = Link()
    assert await workshop(Tables(0), tasks).give(pod, EXECUTION, None)  # type: ignore[arg-type]
    assert pod.in_flight == {"one": 1}
