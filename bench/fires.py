"""`python -m bench.fires FOLDER COUNT`: how late COUNT deployments fire that are due at once, as JSON on the last line.

The parts of a server over a data folder that has one low latency deployment: the real store, scheduler, engine and pod.
One thing is not as in a server: the lanes of all deployments are that one's, or there would be as many pods.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import uvloop

from pipeyard import clock
from pipeyard.data_folder import DataFolder
from pipeyard.domain.deployments import Deployment, DeploymentStatus
from pipeyard.domain.executions import Execution, ExecutionFilter, ExecutionStatus, PendingExecution
from pipeyard.domain.schedules import Schedule
from pipeyard.interpreter import share_the_interpreter, spare_the_collector
from pipeyard.server import open_adapters
from pipeyard.settings import Settings
from pipeyard.wiring import Platform, wire

LEAD = timedelta(seconds=12)  # to write the deployments, and for the scheduler to see them coming
PATIENCE_S = 120.0
EVERY_MINUTE = Schedule("* * * * *")


async def main(folder: Path, count: int) -> None:
    """Print {"dispatched_ms", "started_ms"}: after the tick, each ascending."""
    share_the_interpreter()
    settings, data = Settings(data_dir=folder), DataFolder(folder)
    with data.locked():
        platform = await wire(settings, data, "http://127.0.0.1:9", await open_adapters(settings, data))
        await platform.engine.start()
        spare_the_collector()
        try:
            print(json.dumps(await _fire(platform, count)))
        finally:
            await platform.scheduler.stop()
            await platform.engine.end_pods()
            await platform.engine.let_go()
            await platform.adapters.runtime.close()
            await platform.adapters.logs.close()
            await platform.adapters.store.close()


async def _fire(platform: Platform, count: int) -> dict[str, list[float]]:
    store, engine = platform.adapters.store, platform.engine
    (first,) = await store.list_deployments(None)
    lane = engine._lanes[first.id]
    await _until(lambda: lane.status is DeploymentStatus.UP)
    due_at = clock.now().replace(microsecond=0) + LEAD
    copies = [_copy(first, number, due_at) for number in range(count)]
    engine._lanes.update({one.id: lane for one in copies})
    await asyncio.gather(*(store.add_deployment(one) for one in copies))
    dispatched: list[datetime] = []
    dispatch = engine.dispatch

    def dispatch_and_note(execution: PendingExecution) -> None:
        dispatch(execution)
        dispatched.append(clock.now())

    engine.dispatch = dispatch_and_note  # type: ignore[method-assign]
    platform.scheduler.start()
    await _until(lambda: len(dispatched) == count)
    chosen = ExecutionFilter(first.environment_id, status=ExecutionStatus.SUCCEEDED)
    ended: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(ended) < count:  # the store tells nobody
            await asyncio.sleep(0.5)
            ended = [one.id for one in await store.list_executions(chosen)]
    executions = [await store.get_execution(one) for one in ended]
    return {
        "dispatched_ms": _after(due_at, dispatched),
        "started_ms": _after(due_at, [_started_at(one) for one in executions]),
    }


def _started_at(execution: Execution | None) -> datetime:
    assert execution is not None
    assert execution.started_at is not None
    return execution.started_at


def _copy(first: Deployment, number: int, due_at: datetime) -> Deployment:
    return replace(
        first, id=uuid.uuid4().hex, name=f"d{number}", schedule=EVERY_MINUTE, next_fire_at=due_at, wake_at=due_at
    )


def _after(due_at: datetime, instants: list[datetime]) -> list[float]:
    return sorted((instant - due_at).total_seconds() * 1000 for instant in instants)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
