"""Attempts that follow a failed one: which there are, and when their turn comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from pipeyard import clock
from pipeyard.domain.executions import ExecutionStatus, Outcome, PendingExecution
from pipeyard.domain.retries import retries_from_json

Submit = Callable[[PendingExecution], None]


class Retrying:
    """The open executions that may be tried again, and those of them that wait for their time."""

    def __init__(self) -> None:
        self._watched: dict[str, PendingExecution] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.submit: Submit = lambda execution: None  # gives one whose time has come to its lane

    def watch(self, execution: PendingExecution) -> None:
        """Remember it, if it may be tried again."""
        if execution.retries_json is not None:
            self._watched[execution.id] = execution

    def retry_at(self, execution_id: str, outcome: Outcome) -> datetime | None:
        """When the next attempt is, after this end of the present one. None: the end is final."""
        execution, failure = self._watched.get(execution_id), outcome.failure
        if execution is None or failure is None or outcome.status is ExecutionStatus.SUCCEEDED:
            return None
        retries = retries_from_json(execution.retries_json)
        if not retries.allow(outcome.attempt or execution.attempt, failure.kind):
            return None
        return clock.now() + timedelta(seconds=retries.delay_s)

    def follow(self, execution_id: str, retry_at: datetime) -> None:
        """The next attempt is stored: submit it at its time."""
        execution = self._watched.get(execution_id)
        if execution is not None:  # else it was cancelled just now
            attempt = execution.attempt + 1
            self.wait(replace(execution, status=ExecutionStatus.PENDING, attempt=attempt, retry_at=retry_at))

    def wait(self, execution: PendingExecution) -> None:
        """Submit it at its time."""
        self._watched[execution.id] = execution
        assert execution.retry_at is not None
        left_s = max(0.0, (execution.retry_at - clock.now()).total_seconds())
        self._timers[execution.id] = asyncio.get_running_loop().call_later(left_s, self._submit, execution)

    def _submit(self, execution: PendingExecution) -> None:
        del self._timers[execution.id]
        self.submit(execution)

    def forget(self, execution_id: str) -> None:
        """It has ended."""
        self._watched.pop(execution_id, None)
        timer = self._timers.pop(execution_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Submit nothing any more: the next server does."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
