"""The clock of periodic deployments: looks when something is due, and at nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pipeyard import clock
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.firings import Firing
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.waits import first_of
from pipeyard.store_ports import DeploymentStore

logger = logging.getLogger(__name__)

# A sleep does not notice that the clock was set, nor that another server changed something: so it is short.
# Looking costs a read of the first entry of an index.
LONGEST_SLEEP_S = 5.0
SHORTEST_SLEEP_S = 0.001  # timers may be early by less than that
PAGE = 500  # deployments read, and committed, at once: other writes come in between
# What is due soon is read and planned already now: at its time it has only to be written.
AHEAD = timedelta(seconds=LONGEST_SLEEP_S)
SET_BACK = timedelta(seconds=10)  # a clock that is set by that much is worth a word
AHEAD_MAX = 10_000  # deployments, at 4 KB each


class Ticks(Protocol):
    """See `services.ticks`."""

    async def fire(self, deployments: Sequence[Deployment], now: datetime) -> None:
        """Deal with what is due of them, all or nothing."""
        ...

    def plan_ahead(self, deployment: Deployment) -> Firing | None:
        """What will become of the next one, if that can be known before its time."""
        ...

    async def fire_planned(self, planned: Sequence[Firing], now: datetime) -> None:
        """As `fire`, of what is still as it was planned."""
        ...


class Scheduler:
    """Sleeps until the next fire time that the store knows. What was planned ahead is fired if it is still so there."""

    def __init__(
        self,
        store: DeploymentStore,
        ticks: Ticks,
        tasks: GuardedTasks,
        looked: Callable[[datetime], None],
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`looked` hears of each look that ended well: a scheduler that went silent can be seen."""
        self._store = store
        self._ticks = ticks
        self._tasks = tasks
        self._looked = looked
        self._now = now
        self._planned: list[Firing] = []
        self._last_look_at = now()
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
        now = self._now()
        self._watch_clock(now)
        await self._fire_planned(now)
        async for page in self._pages(now):
            await self._fire(page, now)
        freed = await self._store.list_freed()
        if freed:
            await self._fire(freed, now)
        return await self._store.next_wake_at(now)

    async def plan_ahead(self, next_at: datetime) -> None:
        """Plan what is due at the next fire time, if that is near, and as long as it has not come."""
        if self._planned and self._planned[-1].wake_at - self._now() > AHEAD:
            self._planned = []  # the clock was set back meanwhile
        if self._planned or next_at - self._now() > AHEAD:
            return
        async for page in self._pages(next_at):
            self._planned += [plan for one in page if (plan := self._ticks.plan_ahead(one)) is not None]
            if len(self._planned) >= AHEAD_MAX or self._now() >= next_at:
                return

    def _watch_clock(self, now: datetime) -> None:
        if self._last_look_at - now > SET_BACK:
            text = "the clock was set back, from %s to %s: ticks that were dealt with do not come again until then"
            logger.warning(text, clock.to_wire(self._last_look_at), clock.to_wire(now))
        self._last_look_at = now

    async def _fire_planned(self, now: datetime) -> None:
        """What fails, or was changed meanwhile, is still due: the look that follows deals with it."""
        if not self._planned or self._planned[-1].wake_at > now:
            return
        planned, self._planned = self._planned, []
        try:
            await self._ticks.fire_planned(planned, now)
        except Exception:
            logger.exception("what was planned could not be fired as planned")

    async def _pages(self, until: datetime) -> AsyncIterator[Sequence[Deployment]]:
        last = None
        while True:
            page = await self._store.list_due(until, last, PAGE)
            if page:
                yield page
            if len(page) < PAGE:
                return
            last = page[-1]

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                next_at = await self.fire_due()
                self._looked(self._now())
                if next_at is not None:
                    await self.plan_ahead(next_at)
            except Exception:
                logger.exception("the scheduler could not look for what is due; it tries again soon")
                next_at = None
            await first_of(self._changed, timeout_s=self._sleep_s(next_at))

    def _sleep_s(self, next_at: datetime | None) -> float:
        if next_at is None:
            return LONGEST_SLEEP_S
        left_s = (next_at - self._now()).total_seconds()
        if left_s > AHEAD.total_seconds():
            left_s -= AHEAD.total_seconds()  # awake in time to plan
        return min(max(left_s, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)

    async def _fire(self, deployments: Sequence[Deployment], now: datetime) -> None:
        """One that fails stays due, so it is tried again at the next look; the others do not wait for it."""
        try:
            await self._ticks.fire(deployments, now)
        except Exception:
            if len(deployments) == 1:
                logger.exception("deployment %s could not be fired; it is tried again soon", deployments[0].name)
                return
            middle = len(deployments) // 2
            for half in (deployments[:middle], deployments[middle:]):
                await self._fire(half, now)
