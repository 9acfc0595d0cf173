"""Thousands of histories: servers that die between any two steps, two on one store, clocks that jump, executions that
end, users who change things. In each of them every tick is dealt with, once, and none overlaps that must not.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from clockwork import CATCH_UP_S, START, Clock, Crash, InlineDatabase, Server, deployment, open_store
from sqlalchemy import select, update
from tests.minutes import walk

from pipeyard import clock as real_clock
from pipeyard.clock import from_epoch_ms, to_wire
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import ExecutionStatus, Outcome
from pipeyard.domain.schedule_options import Overlap, ScheduleOptions
from pipeyard.domain.schedules import UTC, Schedule
from pipeyard.domain.ticks import MISSED_RECORDED_MAX
from pipeyard.store.executions import ADD, new_row
from pipeyard.store.sql import SqlStore
from pipeyard.store.tables import executions, ticks

pytestmark = pytest.mark.anyio

# `make faults` plays ten thousand.
SEEDS = int(os.environ.get("PIPEYARD_TEST_SEEDS", "80"))
PARTS = 4
STEPS = 14
# In these, clocks change.
NIGHTS = (datetime(2027, 3, 27, 20, tzinfo=timezone.utc), datetime(2027, 10, 30, 21, 30, tzinfo=timezone.utc))
ZONES = (UTC, UTC, "Europe/Paris", "Asia/Gaza")
JITTERS_S, CATCH_UPS_S, PAUSES_S = (0, 0, 0, 45, 5400), (10, 600, 86_400), (-60.0, -60.0, 300.0, 7200.0)
SCHEDULES = ("* * * * *", "*/2 * * * *", "*/5 * * * *", "0 * * * *", "17,43 9-11 * * *", "30 4 * * *", "0 10 1-7 * MON")
DONE: Counter[str] = Counter()  # what happened in the histories of a part
JUMPS_S = (1.0, 29.5, 60.0, 61.0, 150.0, 3599.0, 3661.0, 7200.0, 86_400.0, -1.0, -90.0, -3600.0)


@dataclass
class Period:
    """A time in which a schedule stood: what was due after `since`, as far as anybody looked, is dealt with."""

    schedule: Schedule
    since: datetime
    jitter: timedelta  # the largest that stood
    # Begun after a clock that had been ahead: of many that are missed the first, whose record would stand for all, may
    # have a record from then.
    is_again: bool = False
    looked_until: datetime | None = None  # by a look that ended well
    begun_until: datetime | None = None  # by any look
    closed_at: datetime | None = None  # by a user: what was due by then was dealt with, its jitter or not

    def possible(self) -> set[datetime]:
        """Every tick that anybody may have dealt with."""
        if self.begun_until is None:
            return set()
        begin, end = self.since.replace(second=0, microsecond=0), self.begun_until + timedelta(microseconds=1)
        zone = timezone.utc if self.schedule.time_zone == UTC else self.schedule.zone
        return {tick for tick in walk(self.schedule.text, begin, end, zone) if tick > self.since}

    def is_wanted(self, tick: datetime) -> bool:
        """Whether somebody must have dealt with a possible one, whatever its jitter was."""
        if self.is_again:
            return False
        is_closed = self.closed_at is not None and tick <= self.closed_at
        return is_closed or (self.looked_until is not None and tick <= self.looked_until - self.jitter)


class History:
    """One random history of one deployment."""

    def __init__(self, seed: int, store: SqlStore, database: InlineDatabase) -> None:
        self.chance = random.Random(seed)
        self.store, self.database, self.name = store, database, f"d{seed}"
        self.clock, self.servers_made, self.looks = Clock(self.chance.choice((START, *NIGHTS))), 0, 0
        self.skews_s = (0.0, self.chance.choice((-2.0, 0.0, 0.4, 3.0)))
        self.periods: list[Period] = []
        self.by_hand: set[str] = set()  # executions that no tick gave
        self.held: set[datetime] = set()  # ticks that were seen to wait
        self.policies: set[Overlap] = set()
        self.windows_s: set[float] = set()
        self.is_enabled = True
        user_server = Server(store, "u", self.clock.now)
        self.user, self.lost_servers = user_server.deployments, [user_server]

    async def play(self) -> None:
        pause = self.chance.choice((None, None, None, self.clock.now() + timedelta(hours=1)))
        options = ScheduleOptions(
            self.chance.choice(JITTERS_S), pause, self.chance.choice(list(Overlap)), self.chance.choice((None, 10, 600))
        )
        schedule = Schedule(self.chance.choice(SCHEDULES), self.chance.choice(ZONES))
        made = deployment(self.name, schedule, self.clock.now(), schedule_options=options)
        await self.store.add_deployment(made)
        self.note(made, is_new=True)
        self.servers = [await self.new_server(index) for index in range(2)]
        steps = (
            self.look, self.look_both, self.die, self.plan, self.intrude, self.restart, self.end, self.toggle,
            self.change,
        )  # fmt: skip
        # Some go through a few minutes, in which executions overlap, some through days.
        jumps_s = self.chance.choice((JUMPS_S, JUMPS_S[:6]))
        for _ in range(STEPS):
            self.clock.move(seconds=self.chance.choice(jumps_s))
            step = self.chance.choices(steps, (8, 3, 4, 4, 2, 2, 3, 1, 2))[0]
            DONE[step.__name__] += 1
            await step()
            await self.watch()
        await self.settle()

    async def settle(self) -> None:
        """All that is open ends, and what waits for it after that."""
        await self.look()
        for _ in range(3):
            await self.watch()
            self.end_all()
            await self.look()
        assert (await self.found()).held_tick_at is None, "a tick waits for nothing"
        for index in range(2):
            self.servers[index] = await self.new_server(index)

    async def watch(self) -> None:
        """What is seen between two steps."""
        found = await self.found()
        if found.held_tick_at is not None:
            self.held.add(found.held_tick_at)
        if Overlap.ALLOW not in self.policies:
            of_ticks = [row for row in self.open_ones() if row.id not in self.by_hand]
            assert len(of_ticks) <= 1, "two executions at once"

    async def found(self) -> Deployment:
        return await self.user.get("e", self.name)

    def note(self, changed: Deployment, *, is_new: bool) -> None:
        """What a user decided; a schedule counts from now."""
        options, now = changed.schedule_options, self.clock.now()
        self.policies.add(options.overlap)
        self.windows_s.add(CATCH_UP_S if options.catch_up_s is None else options.catch_up_s)
        jitter = timedelta(seconds=options.jitter_s)
        if is_new and changed.is_enabled:
            assert changed.schedule is not None
            pause = (options.paused_until or now) - timedelta(milliseconds=1)
            is_again = changed.last_tick_at is not None and changed.last_tick_at > now
            self.periods.append(Period(changed.schedule, max(now, pause), jitter, is_again))
        self.periods[-1].jitter = max(self.periods[-1].jitter, jitter)

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
        next_at = await server.scheduler.fire_due()
        self.end_look(server)
        if next_at is not None:
            await server.scheduler.plan_ahead(next_at)

    async def look_both(self) -> None:
        for server in self.servers:
            self.begin_look(server)
        await asyncio.gather(*(server.scheduler.fire_due() for server in self.servers))
        # One of them was too late, and looks again in its own time: maybe the one whose clock is ahead.
        self.end_look(min(self.servers, key=lambda server: server.scheduler._now()))

    async def die(self) -> None:
        """kill -9 at a step of a look, whichever."""
        await self.die_of(self.chance.randrange(2), self.chance.randrange(6))

    async def die_of(self, index: int, countdown: int) -> None:
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

    async def plan(self) -> None:
        """As a server that runs: one that looks shortly before the next tick, and again when it has come."""
        index = self.chance.randrange(2)
        server = self.servers[index]
        await self.look_with(server)
        wake_at = (await self.found()).wake_at
        if wake_at is None or wake_at - server.scheduler._now() > timedelta(days=1):
            return
        self.clock.instant += wake_at - server.scheduler._now() - timedelta(seconds=self.chance.choice((1, 4)))
        await self.look_with(server)
        planned = {tick.execution.id for firing in server.scheduler._planned for tick in firing.ticks}
        if self.chance.random() < 0.2:
            await self.chance.choice((self.toggle, self.change, self.intrude))()
        self.clock.instant += wake_at - server.scheduler._now() + timedelta(seconds=self.chance.choice((0.0, 0.7, 1.2)))
        if self.chance.random() < 0.4:
            await self.die_of(index, self.chance.randrange(2))
        else:
            await self.look_with(server)
        dispatched = planned & set(server.lanes.dispatched)
        DONE["planned"] += len(dispatched)
        DONE["planned, and lost before the lanes"] += len(planned & {row.id for row in self.open_ones()} - dispatched)

    async def intrude(self) -> None:
        """Somebody runs it by hand, between what a look has read and what it writes."""
        server = self.chance.choice(self.servers)
        execution = server.executions.of_tick(await self.found(), self.clock.now())

        def fault(place: str) -> None:
            if place == "before a commit" and execution.id not in self.by_hand:
                self.by_hand.add(execution.id)
                ADD.run(self.database.connection, new_row(execution, "hand"))

        self.database.fault = fault
        await self.look_with(server)
        self.database.fault = lambda place: None
        ids = [row.id for row in self.open_ones()]
        if execution.id in ids and Overlap.ALLOW not in self.policies:
            assert ids[-1] == execution.id, "a tick beside an execution that was open"

    async def restart(self) -> None:
        index = self.chance.randrange(2)
        self.servers[index] = await self.new_server(index)

    async def end(self) -> None:
        """The oldest of the open executions ends."""
        for row in self.open_ones()[:1]:
            await self.store.finish_execution(row.id, row.server_id, Outcome(ExecutionStatus.SUCCEEDED, START))

    def end_all(self) -> None:
        ended = update(executions).where(executions.c.deployment_id == self.name, executions.c.status == "Pending")
        self.database.connection.execute(ended.values(status="Succeeded"))
        self.database.connection.commit()

    def open_ones(self) -> Sequence[Any]:
        query = select(executions.c.id, executions.c.server_id).order_by(executions.c.number)
        mine = query.where(executions.c.deployment_id == self.name, executions.c.status == "Pending")
        return self.database.connection.execute(mine).all()

    async def toggle(self) -> None:
        found = await self.found()
        changed = await self.user.update("e", "ada", self.name, {"is_enabled": not found.is_enabled})
        self.close()
        self.is_enabled = changed.is_enabled
        self.note(changed, is_new=True)

    async def change(self) -> None:
        """One or more of what a schedule has."""
        choices: dict[str, Sequence[Any]] = {
            "schedule": SCHEDULES,
            "schedule_time_zone": ZONES,
            "schedule_overlap": [policy.value for policy in Overlap],
            "schedule_jitter_s": JITTERS_S,
            "schedule_catch_up_s": CATCH_UPS_S,
            "schedule_paused_until": [to_wire(self.clock.now() + timedelta(seconds=pause_s)) for pause_s in PAUSES_S],
        }
        chosen = self.chance.sample(sorted(choices), self.chance.choice((1, 1, 2)))
        before = await self.found()
        fields = {name: self.chance.choice(choices[name]) for name in chosen}
        changed = await self.user.update("e", "ada", self.name, fields)
        paused_until = before.schedule_options.without_past_pause(self.clock.now()).paused_until
        is_new = (changed.schedule, changed.schedule_options.paused_until) != (before.schedule, paused_until)
        if is_new:
            self.close()
        self.note(changed, is_new=is_new)

    def close(self) -> None:
        """A user's change ends the period, and a change deals with what is due."""
        if self.is_enabled:
            self.begin_look(self.lost_servers[0])
            self.periods[-1].closed_at = self.clock.now()

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
            .where(executions.c.deployment_id == self.name, executions.c.id.not_in(self.by_hand))
            .order_by(executions.c.number)
        ).all()
        due = [from_epoch_ms(row.due_at) for row in rows]
        assert len(set(due)) == len(due), "a tick was dealt with twice"
        assert len(rows) <= 2 * self.looks * (MISSED_RECORDED_MAX + 1)
        recorded = set(due)
        for row in rows:
            if row.failure and "stands for all ticks before" in row.failure:
                recorded |= self._stood_for(row)
        possible = [(period, period.possible()) for period in self.periods]
        wanted = {tick for period, every in possible for tick in every if period.is_wanted(tick)}
        assert wanted - recorded == set(), "a tick was lost"
        assert set(due) - set[datetime]().union(*(every for _, every in possible)) == set(), "a tick that was not due"
        latest_s = max(self.windows_s) + max(period.jitter for period in self.periods).total_seconds()
        for row in rows:
            DONE[_kind(row)] += 1
            if from_epoch_ms(row.due_at) in self.held:
                continue
            late_s = (row.created_at - row.due_at) / 1000
            assert late_s >= 0, "a tick before its time"
            assert row.status == "Skipped" or late_s <= latest_s, "a tick that was too late to run"
            assert _kind(row) != "overlapped" or self.policies != {Overlap.ALLOW}
        # What is to run was given to the engine once, or waits in the store for the next start.
        given = [one for server in (*self.lost_servers, *self.servers) for one in server.lanes.dispatched]
        run = {row.id for row in rows if row.status != "Skipped"}
        assert len(set(given)) == len(given)
        assert set(given) <= run
        assert {row.id for row in self.open_ones()} <= {one.id for one in await self.store.list_open_executions()}

    def _stood_for(self, row: Any) -> set[datetime]:
        """Those between the tick of a record and the one that it names."""
        end = datetime.fromisoformat(row.failure.split("stands for all ticks before ")[1][:24])
        begin, found = from_epoch_ms(row.due_at), set[datetime]()
        for schedule in {period.schedule for period in self.periods}:
            found |= set(walk(schedule.text, begin, end, schedule.zone))
        return found


def _kind(row: Any) -> str:
    """What became of a tick: "run", or the kind of the failure."""
    return "run" if row.failure is None else str(json.loads(row.failure)[0])


def _latest(before: datetime | None, server: Server) -> datetime:
    now = server.scheduler._now()
    return now if before is None else max(before, now)


@pytest.mark.parametrize("part", range(PARTS))
async def test_every_tick_is_dealt_with_once_whatever_happens(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    DONE.clear()
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
        DONE["held"] += len(history.held)
        await store.delete_deployment(history.name)
    await store.close()
    print(f"{SEEDS // PARTS} histories:", ", ".join(f"{what} {count}" for what, count in sorted(DONE.items())))
    # The histories are worth something only if all of these come up in them.
    steps = {"die", "look_both", "plan", "intrude", "end", "toggle", "change"}
    ends = {"run", "missed", "overlapped", "held", "planned", "planned, and lost before the lanes"}
    assert {what for what, count in DONE.items() if count} >= steps | ends
