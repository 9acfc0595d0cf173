"""How late ticks are: those that are dispatched, and when their executions start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipeyard import clock
from pipeyard.domain.executions import Tick
from pipeyard.ports import Meters


class FireTimes:
    """Remembers when executions were to be fired, jitter included, until they start or end."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._due: dict[str, datetime] = {}

    def expect(self, execution_id: str, due_at: datetime) -> None:
        """An execution of the clock that has not started."""
        self._due[execution_id] = due_at

    def dispatched(self, ticks: Iterable[Tick]) -> None:
        """They are in their lanes now."""
        now = clock.now()
        for tick in ticks:
            fire_at = tick.fire_at or tick.due_at
            self.expect(tick.execution.id, fire_at)
            self._meters.tick_dispatched((now - fire_at).total_seconds())

    def started(self, execution_id: str, at: datetime) -> None:
        """Any execution; what is no tick, or was told before, is no news."""
        due_at = self._due.pop(execution_id, None)
        if due_at is not None:
            self._meters.tick_started((at - due_at).total_seconds())

    def ended(self, execution_id: str) -> None:
        """It may never have started."""
        self._due.pop(execution_id, None)
