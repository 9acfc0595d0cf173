"""Schedulers over a real SQL store with a clock that a test sets, and servers that can die at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool
from tests.periodic import periodic

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import PendingExecution
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.schedules import Schedule
from pipeyard.domain.users import Environment
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.places import Places
from pipeyard.engine.scheduler import Scheduler
from pipeyard.monitoring.prometheus import PrometheusMeters
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.executions import ExecutionService
from pipeyard.services.fire_times import FireTimes
from pipeyard.services.fires import FireService
from pipeyard.services.notices import Notices
from pipeyard.services.remembered import Remembered
from pipeyard.services.ticks import TickService
from pipeyard.store.cipher import Cipher
from pipeyard.store.sql import SqlStore
from pipeyard.store.tables import metadata

START = datetime(2027, 1, 1, 9, 59, 30, tzinfo=timezone.utc)
CATCH_UP_S = 3600.0


class Crash(BaseException):
    """The server is gone, as by kill -9: nothing of it goes on."""


class InlineDatabase:
    """One SQLite connection in memory, used at once: thousands of writes in a second.

    Between any two questions others get their turn. `fault` is asked at each, with its place; it may raise.
    """

    def __init__(self) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool, paramstyle="named")
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
        metadata.create_all(engine)
        self.connection = engine.connect()
        self.fault: Callable[[str], None] = lambda place: None

    def write(self, operation: Callable[[Connection], Any]) -> asyncio.Future[Any]:
        async def later() -> Any:
            await asyncio.sleep(0)
            self.fault("before a commit")
            try:
                result = operation(self.connection)
                self.connection.commit()
            except Exception:
                self.connection.rollback()
                raise
            self.fault("after a commit")
            return result

        return asyncio.ensure_future(later())

    async def read(self, operation: Callable[[Connection], Any]) -> Any:
        self.fault("before a read")
        result = operation(self.connection)
        self.connection.commit()
        await asyncio.sleep(0)
        return result

    async def check(self, write: Callable[[Connection], Any]) -> None:
        """It has no disk."""

    async def used_bytes(self) -> int:
        return 0

    async def close(self) -> None:
        self.connection.close()
        self.connection.engine.dispose()


class Lanes:
    """What stands for the engine: counts places as the real one does, and keeps what it is given to run."""

    def __init__(self, most: int) -> None:
        self.places = Places(most, 10**9)
        self.dispatched: list[str] = []
        self.got_one = asyncio.Event()

    def admit(self, deployment_id: str | None) -> None:
        self.places.check(deployment_id)
        self.places.take(deployment_id)

    def withdraw(self, deployment_id: str | None) -> None:
        self.places.give_back(deployment_id)

    def dispatch(self, execution: PendingExecution) -> None:
        self.places.occupy(execution.id, execution.deployment_id)
        self.dispatched.append(execution.id)
        self.got_one.set()

    def start_deployment(self, deployment: Deployment) -> None: ...

    async def stop_deployment(self, deployment_id: str, *, drain: bool) -> None: ...


class NothingToClean:
    """Deployments here have no files and no logs."""

    async def forget(self, *subjects: object) -> None: ...


class Server:
    """The part of a server that fires."""

    def __init__(self, store: SqlStore, name: str, now: Callable[[], datetime], most: int = 1000) -> None:
        self.lanes = Lanes(most)
        unused: Any = None
        self.meters = PrometheusMeters()
        self.executions = ExecutionService(
            store,
            unused,
            unused,
            self.lanes,
            unused,
            unused,
            self.meters,
            name,
            1000,  # type: ignore[arg-type]
        )
        self.ticks = TickService(store, self.lanes, self.executions, FireTimes(self.meters), CATCH_UP_S)  # type: ignore[arg-type]
        self.deployments = DeploymentService(
            store, unused, self.lanes, Notices(), NothingToClean(), unused, Remembered(unused), unused, self.ticks,
            lambda: None,
        )  # type: ignore[arg-type]  # fmt: skip
        self.fires = FireService(store, self.lanes, self.executions)  # type: ignore[arg-type]
        self.tasks = GuardedTasks()
        self.scheduler = Scheduler(store, self.ticks, self.tasks, self.meters.scheduler_looked, now)


async def open_store() -> tuple[SqlStore, InlineDatabase]:
    """A store with a pipeline `p`."""
    database = InlineDatabase()
    store = SqlStore(database, Cipher(Fernet.generate_key()))
    await store.add_environment(Environment("e", "default", START))
    declaration = PipelineDeclaration("p", "a.py", "f", None, (), (), ContainerConfig())
    await store.add_pipeline(Pipeline("p", "e", declaration, Origin.LOCAL, PipelineStatus.READY, START, "ada"))
    return store, database


def deployment(name: str, schedule: str | Schedule, created_at: datetime = START, **changes: Any) -> Deployment:
    """An enabled elastic one, which fires from its creation on."""
    stands = Schedule(schedule) if isinstance(schedule, str) else schedule
    times = {"created_at": created_at, "updated_at": created_at}
    made = periodic(**{"id": name, "name": name, "schedule": stands, **times, **changes})
    return made if "next_fire_at" in changes else made.scheduled(created_at)


class Clock:
    """Shows what a test says."""

    def __init__(self, instant: datetime = START) -> None:
        self.instant = instant

    def now(self) -> datetime:
        return self.instant

    def move(self, **by: float) -> datetime:
        self.instant += timedelta(**by)
        return self.instant
