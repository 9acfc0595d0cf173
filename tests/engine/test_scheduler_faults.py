"""Thousands of histories: servers that die between any two steps, two on one store, clocks that jump, users who change
things. In each of them every tick is dealt with, once.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from clockwork import CATCH_UP_S, Clock, Crash, InlineDatabase, Server, deployment, open_store
from sqlalchemy import func, select
from tests.minutes import walk

from pipeyard import clock as real_clock
from pipeyard.clock import from_epoch_ms
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.ticks import MISSED_RECORDED_MAX
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.notices import Notices
from pipeyard.services.remembered import Remembered
from pipeyard.store.sql import SqlStore
from pipeyard.store.tables import executions, ticks

pytestmark = pytest.mark.anyio

# PIPEYARD_TEST_SEEDS=10000 for a long run.
SEEDS = int(os.environ.get("PIPEYARD_TEST_SEEDS", "2000"))
PARTS = 4
STEPS = 14
SCHEDULES = ("* * * * *", "*/5 * * * *", "0 * * * *", "17,43 9-11 * * *", "30 4 * * *", "0 10 1-7 * MON")
JUMPS_S = (1.0, 29.5, 60.0, 61.0, 150.0, 3599.0, 3661.0, 7200.0, 86_400.0, -1.0, -90.0, -3600.0)


@dataclass
class Period:
    """A time in which a schedule stood: what was due after `since`, as far as anybody looked, is dealt with."""

    schedule: str
    since: datetime
    looked_until: datetime | None = None  # by a look that ended well
    begun_until: datetime | None = None  # by any look

    def due(self, until: datetime | None) -> set[datetime]:
        if until is None:
            return set()
        begin = self.since.replace(second=0, microsecond=0)
        every = walk(self.schedule, begin, until + timedelta(microseconds=1))
        return {tick for tick in every if tick > self.since}


class History:
    """One random history of one deployment."""

    def __init__(self, seed: int, store: SqlStore, database: InlineDatabase) -> None:
        self.chance = random.Random(seed)
        self.store, self.database, self.name = store, database, f"d{seed}"
        self.clock, self.servers_made, self.looks = Clock(), 0, 0
        self.skews_s = (0.0, self.chance.choice((-2.0, 0.0, 0.4, 3.0)))
        self.run_by_server: list[str] = []
        self.lost_servers: list[Server] = []
        self.periods: list[Period] = []
        self.is_enabled = True
        nothing: Any = None
        self.user = DeploymentService(
            store, nothing, Server(store, "u", self.clock.now).lanes, Notices(), nothing, nothing,
            Remembered(nothing), 0, lambda: None,
        )  # type: ignore[arg-type]  # fmt: skip

    async def play(self) -> None:
        made = deployment(self.name, self.chance.choice(SCHEDULES), self.clock.now())
        await self.store.add_deployment(made)
        self.periods.append(Period(_text(made), self.clock.now()))
        self.servers = [await self.new_server(index) for index in range(2)]
        for _ in range(STEPS):
            self.clock.move(seconds=self.chance.choice(JUMPS_S))
            await self.chance.choices(
                (self.look, self.look_both, self.die, self.restart, self.toggle, self.change), (6, 3, 4, 2, 1, 1)
            )[0]()
        await self.look()
        for index in range(2):
            self.servers[index] = await self.new_server(index)

    # --- what happens ---

    async def new_server(self, index: int) -> Server:
        """It runs what those before it left open, as the engine does at its start."""
        self.servers_made += 1
        skew = timedelta(seconds=self.skews_s[index])
        server = Server(self.store, f"s{self.servers_made}", lambda: self.clock.now() + skew)
        if self.servers_made > 2:
            self.lost_servers.append(self.servers[index])
        return server

    async def look(self) -> None:
        await self.look_with(self.chance.choice(self.servers))

    async def look_with(self, server: Server) -> None:
        self.begin_look(server)
        await server.scheduler.fire_due()
        self.end_look(server)

    async def look_both(self) -> None:
        for server in self.servers:
            self.begin_look(server)
        await asyncio.gather(*(server.scheduler.fire_due() for server in self.servers))
        # One of them was too late, and looks again in its own time: maybe the one whose clock is ahead.
        self.end_look(min(self.servers, key=lambda server: server.scheduler._now()))

    async def die(self) -> None:
        """kill -9 at a step of a look, whichever."""
        index, countdown = self.chance.randrange(2), self.chance.randrange(6)

        def fault(place: str) -> None:
            nonlocal countdown
            countdown -= 1
            if countdown < 0:
                raise Crash(place)

        self.database.fault = fault
        self.begin_look(self.servers[index])
        try:
            await self.servers[index].scheduler.fire_due()
        except Crash:
            pass
        finally:
            self.database.fault = lambda place: None
        self.servers[index] = await self.new_server(index)

    async def restart(self) -> None:
        index = self.chance.randrange(2)
        self.servers[index] = await self.new_server(index)

    async def toggle(self) -> None:
        found = await self.user.get("e", self.name)
        changed = await self.user.update("e", "ada", self.name, {"is_enabled": not found.is_enabled})
        self.is_enabled = changed.is_enabled
        if changed.is_enabled:
            self.periods.append(Period(_text(changed), self.begin()))

    async def change(self) -> None:
        before = await self.user.get("e", self.name)
        changed = await self.user.update("e", "ada", self.name, {"schedule": self.chance.choice(SCHEDULES)})
        if changed.is_enabled and changed.schedule != before.schedule:
            self.periods.append(Period(_text(changed), self.begin()))

    def begin(self) -> datetime:
        """A schedule counts from now, or from what was dealt with while the clock was ahead."""
        newest = select(func.max(ticks.c.due_at)).where(ticks.c.deployment_id == self.name)
        milliseconds = self.database.connection.execute(newest).scalar()
        return max(self.clock.now(), from_epoch_ms(milliseconds or 0))

    def begin_look(self, server: Server) -> None:
        self.looks += 1
        if self.is_enabled:
            self.periods[-1].begun_until = _latest(self.periods[-1].begun_until, server)

    def end_look(self, server: Server) -> None:
        if self.is_enabled:
            self.periods[-1].looked_until = _latest(self.periods[-1].looked_until, server)

    # --- what must be true of it ---

    async def check(self) -> None:
        rows = self.database.connection.execute(
            select(executions.c.id, executions.c.status, executions.c.failure, executions.c.created_at, ticks.c.due_at)
            .outerjoin(ticks, ticks.c.execution_id == executions.c.id)
            .where(executions.c.deployment_id == self.name)
            .order_by(executions.c.number)
        ).all()
        due = [from_epoch_ms(row.due_at) for row in rows]
        assert len(set(due)) == len(due), "a tick was dealt with twice"
        assert len(rows) <= 2 * self.looks * (MISSED_RECORDED_MAX + 1)
        recorded = set(due)
        for row in rows:
            if row.failure and "stands for all ticks before" in row.failure:
                recorded |= self._stood_for(row)
        wanted = set[datetime]().union(*(period.due(period.looked_until) for period in self.periods))
        assert wanted - recorded == set(), "a tick was lost"
        possible = set[datetime]().union(*(period.due(period.begun_until) for period in self.periods))
        assert set(due) - possible == set(), "a tick that was not due"
        for row in rows:
            late_s = (row.created_at - row.due_at) / 1000
            assert late_s >= 0, "a tick before its time"
            if row.status == "Pending":
                assert late_s <= CATCH_UP_S, "a tick that was too late to run"
            else:
                assert row.status == "Skipped"
                assert '"missed"' in row.failure
        # What is to run was given to the engine once, or waits in the store for the next start.
        given = [one for server in (*self.lost_servers, *self.servers) for one in server.lanes.dispatched]
        pending = [row.id for row in rows if row.status == "Pending"]
        assert len(set(given)) == len(given)
        assert set(given) <= set(pending)
        assert set(pending) <= {one.id for one in await self.store.list_open_executions()}

    def _stood_for(self, row: Any) -> set[datetime]:
        """Those between the tick of a record and the one that it names."""
        end = datetime.fromisoformat(row.failure.split("stands for all ticks before ")[1][:24])
        begin, found = from_epoch_ms(row.due_at), set[datetime]()
        for schedule in {period.schedule for period in self.periods}:
            found |= set(walk(schedule, begin, end))
        return found


def _text(of: Deployment) -> str:
    assert of.schedule is not None
    return of.schedule.text


def _latest(before: datetime | None, server: Server) -> datetime:
    now = server.scheduler._now()
    return now if before is None else max(before, now)


@pytest.mark.parametrize("part", range(PARTS))
async def test_every_tick_is_dealt_with_once_whatever_happens(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store, database = await open_store()
    for seed in range(part * SEEDS // PARTS, (part + 1) * SEEDS // PARTS):
        history = History(seed, store, database)
        monkeypatch.setattr(real_clock, "now", history.clock.now)
        try:
            await history.play()
            await history.check()
        except BaseException as error:
            error.add_note(f"seed {seed}, {history.periods}")
            raise
        await store.delete_deployment(history.name)
    await store.close()
