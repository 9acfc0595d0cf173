"""What becomes of the ticks of a periodic deployment: a decision from what is stored and what time it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.schedule_options import Overlap

MISSED_RECORDED_MAX = 60  # an hour of a schedule that fires every minute; what was missed before is one more record


@dataclass(frozen=True)
class Onward:
    """Where a deployment stands once its due ticks are dealt with."""

    next_fire_at: datetime | None
    wake_at: datetime | None
    last_tick_at: datetime | None
    held_tick_at: datetime | None = None
    needs_idle: bool = False  # only if it has no open execution when this is stored


@dataclass(frozen=True)
class NotNewest:
    """Of several that were missed, another one was newer. `stands_until`: the record stands for all before that."""

    newest: datetime
    stands_until: datetime | None


@dataclass(frozen=True)
class TooLate:
    """It was noticed that late, which is more than its catch-up window."""

    late_s: float
    within_s: float


@dataclass(frozen=True)
class Overlapped:
    """An execution was open; `held_at`: and that tick waits for its end already."""

    policy: Overlap
    held_at: datetime | None


@dataclass(frozen=True)
class Stopped:
    """It waited for an execution to end, and the deployment was disabled or paused meanwhile."""


@dataclass(frozen=True)
class Skip:
    """A tick that is not run, and why."""

    due_at: datetime
    why: NotNewest | TooLate | Overlapped | Stopped


@dataclass(frozen=True)
class Decision:
    """Ticks to run and ticks to record as Skipped, each oldest first."""

    run: tuple[datetime, ...]
    skipped: tuple[Skip, ...]
    onward: Onward


@dataclass(frozen=True)
class DueTicks:
    """What a deployment has to make up for: the newest tick that is due, and those before it that were missed."""

    newest: datetime
    missed: tuple[datetime, ...]  # oldest first, to be recorded one by one
    left_out: bool  # whether more were missed between the first of `missed` and the second
    next_at: datetime


def due_ticks(deployment: Deployment, now: datetime) -> DueTicks | None:
    """What is due of a deployment as it is stored. None: nothing yet.

    The cost is bounded, however many were missed.
    """
    schedule, due_at, wake_at = deployment.schedule, deployment.next_fire_at, deployment.wake_at
    if schedule is None or due_at is None or wake_at is None or wake_at > now:
        return None
    next_at = schedule.next_after(due_at)
    if deployment.wake_time(next_at) > now:
        return DueTicks(due_at, (), False, next_at)
    later = takewhile(lambda tick: tick > due_at, schedule.backwards_from(now))
    ticks = list(islice(later, MISSED_RECORDED_MAX + 2))
    if deployment.wake_time(ticks[0]) > now:
        next_at, ticks = ticks[0], ticks[1:]
    else:
        next_at = schedule.next_after(now)
    missed = (due_at, *reversed(ticks[1:MISSED_RECORDED_MAX]))
    return DueTicks(ticks[0], missed, len(ticks) > MISSED_RECORDED_MAX, next_at)


def decide(deployment: Deployment, now: datetime, catch_up_s: float, has_open: bool) -> Decision | None:
    """What to do about a deployment as it is stored. None: nothing.

    `catch_up_s`: where the deployment says nothing. `has_open`: whether an execution of it has not ended.
    """
    due, held, options = due_ticks(deployment, now), deployment.held_tick_at, deployment.schedule_options
    is_allowed = options.overlap is Overlap.ALLOW
    is_freed = held is not None and (is_allowed or not has_open)
    if due is None and not is_freed:
        return None
    run: list[datetime] = []
    skipped = [] if due is None else list(_missed(due))
    if held is not None and is_freed:
        if deployment.is_enabled and (options.paused_until or now) <= now:
            run.append(held)
        else:
            skipped.insert(0, Skip(held, Stopped()))
        held = None
    if due is not None:
        late_s = (now - expected(deployment, due.newest)).total_seconds()
        within_s = catch_up_s if options.catch_up_s is None else options.catch_up_s
        if late_s > within_s:
            skipped.append(Skip(due.newest, TooLate(late_s, within_s)))
        elif is_allowed or not (has_open or run):
            run.append(due.newest)
        elif options.overlap is Overlap.BUFFER_ONE and held is None:
            held = due.newest
        else:
            skipped.append(Skip(due.newest, Overlapped(options.overlap, held)))
    return Decision(tuple(run), tuple(skipped), _onward(deployment, due, held, bool(run) and not is_allowed))


def _onward(deployment: Deployment, due: DueTicks | None, held: datetime | None, needs_idle: bool) -> Onward:
    if due is None:
        return Onward(deployment.next_fire_at, deployment.wake_at, deployment.last_tick_at, held, needs_idle)
    return Onward(due.next_at, deployment.wake_time(due.next_at), due.newest, held, needs_idle)


def expected(deployment: Deployment, due_at: datetime) -> datetime:
    """When a tick was, or will be, fired if all is well: its jitter is added."""
    # Another jitter counts from the next tick on.
    if due_at == deployment.next_fire_at and deployment.wake_at is not None:
        return deployment.wake_at
    return deployment.wake_time(due_at)


def _missed(due: DueTicks) -> Iterator[Skip]:
    for index, due_at in enumerate(due.missed):
        stands_until = due.missed[1] if index == 0 and due.left_out else None
        yield Skip(due_at, NotNewest(due.newest, stands_until))
