"""The clock of periodic deployments: looks when something is due, and at nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from pipeyard import clock
from pipeyard.domain.deployments import Deployment
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.waits import first_of
from pipeyard.store_ports import DeploymentStore

logger = logging.getLogger(__name__)

# A sleep does not notice that the clock was set, nor that another server changed something: so it is short.
# Looking costs a read of the first entry of an index.
LONGEST_SLEEP_S = 5.0
SHORTEST_SLEEP_S = 0.001  # timers may be early by less than that
PAGE = 100  # deployments read, and committed, at once


class Scheduler:
    """Sleeps until the next fire time that the store knows. Nothing about schedules is kept in memory."""

    def __init__(
        self,
        store: DeploymentStore,
        fire: Callable[[Deployment, datetime], Awaitable[None]],
        tasks: GuardedTasks,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._store = store
        self._fire_one = fire
        self._tasks = tasks
        self._now = now
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """After the engine has adopted what an earlier server left."""
        self._task = self._tasks.start(self._run(), "scheduler")

    async def stop(self) -> None:
        """Fire no more. What is being written may still become durable: the next start dispatches it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def look_again(self) -> None:
        """A schedule is new or was changed, or what a tick waits for has ended."""
        self._changed.set()

    async def fire_due(self) -> datetime | None:
        """Fire everything that is due now. The next fire time after that."""
        now, last = self._now(), None
        while True:
            page = await self._store.list_due(now, last, PAGE)
            await asyncio.gather(*(self._fire(deployment, now) for deployment in page))
            if len(page) < PAGE:
                break
            last = page[-1]
        await asyncio.gather(*(self._fire(deployment, now) for deployment in await self._store.list_freed()))
        return await self._store.next_wake_at(now)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                next_at = await self.fire_due()
            except Exception:
                logger.exception("the scheduler could not look for what is due; it tries again soon")
                next_at = None
            await first_of(self._changed, timeout_s=self._sleep_s(next_at))

    def _sleep_s(self, next_at: datetime | None) -> float:
        if next_at is None:
            return LONGEST_SLEEP_S
        return min(max((next_at - self._now()).total_seconds(), SHORTEST_SLEEP_S), LONGEST_SLEEP_S)

    async def _fire(self, deployment: Deployment, now: datetime) -> None:
        """It stays due when that fails, so it is tried again at the next look; the others do not wait for it."""
        try:
            await self._fire_one(deployment, now)
        except Exception:
            logger.exception("deployment %s could not be fired; it is tried again soon", deployment.name)
