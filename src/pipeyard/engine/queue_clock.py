"""The clock of what waits: executions that have been Pending for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipeyard import clock
from pipeyard.domain.executions import PendingExecution

Expire = Callable[[PendingExecution], None]


class QueueClock:
    """Tells of each execution that has not ended when its time to wait is over."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def watch(self, execution: PendingExecution, expire: Expire) -> None:
        """Begin, if its time is limited."""
        self.forget(execution.id)  # the clock of the attempt before
        if execution.expires_at is not None:
            left_s = max(0.0, (execution.expires_at - clock.now()).total_seconds())
            timer = asyncio.get_running_loop().call_later(left_s, expire, execution)
            self._timers[execution.id] = timer

    def forget(self, execution_id: str) -> None:
        """It has ended."""
        timer = self._timers.pop(execution_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Tell of nothing any more."""
        for execution_id in list(self._timers):
            self.forget(execution_id)
