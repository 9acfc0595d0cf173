"""Why a tick was not run, in words."""

from __future__ import annotations

from datetime import datetime

from pipeyard.clock import to_wire
from pipeyard.domain.executions import Failure
from pipeyard.domain.ticks import NotNewest, Overlapped, Skip, Stopped, TooLate
from pipeyard.errors import PipeyardError
from pipeyard.pod.protocol import FailureKind

_BY_HAND = "If its result is needed, run it with a backfill."
_SIDE_BY_SIDE = 'With the schedule_overlap "allow" executions run side by side.'


def reason(skip: Skip) -> Failure:
    """The failure of the Skipped execution."""
    tick = f"the tick of {to_wire(skip.due_at)}"
    match skip.why:
        case NotNewest(newest, stands_until):
            message = _missed(tick, f"only the newest of the missed ticks is run, that of {to_wire(newest)}")
            if stands_until is not None:
                message += f"; this record stands for all ticks before {to_wire(stands_until)}"
            return Failure(FailureKind.MISSED, message, _BY_HAND)
        case TooLate(late_s, within_s):
            late = f"noticed {late_s:.0f} s late, which is more than the {within_s:g} s of schedule_catch_up_s"
            return Failure(FailureKind.MISSED, _missed(tick, late), _BY_HAND)
        case Overlapped(policy, held_at):
            waits = "" if held_at is None else f", and the tick of {to_wire(held_at)} waits for its end already"
            message = f'{tick} was due while an execution was open{waits}: schedule_overlap is "{policy.value}"'
            return Failure(FailureKind.OVERLAPPED, message, _SIDE_BY_SIDE)
        case Stopped():
            message = f"{tick} waited for an execution to end, and the deployment was disabled or paused meanwhile"
            return Failure(FailureKind.OVERLAPPED, message, _BY_HAND)


def refusal(due_at: datetime, error: PipeyardError) -> Failure:
    """The failure of a tick that the deployment's queue or pod did not take."""
    message = f"the tick of {to_wire(due_at)} could not be run: {error.message}"
    return Failure(FailureKind.REFUSED, message, "The next tick is tried as usual.")


def _missed(tick: str, why: str) -> str:
    return f"{tick} was missed (no server was there in time, or its clock jumped ahead): {why}"
