"""The executions of one pod: those that wait, in order, and those that run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How many ended executions are remembered, so that a repeated `execute` changes nothing.
_REMEMBERED_MAX = 10_000


class Execution:
    """One execution in this pod."""

    __slots__ = (
        "attempt",
        "body",
        "cancelled",
        "deadline_s",
        "ending",
        "files",
        "id",
        "is_importing",
        "start_timeout_s",
        "timeout_s",
    )

    def __init__(self, header: dict[str, Any], body: bytes) -> None:
        self.id: str = header["execution_id"]
        self.attempt: int = header.get("attempt", 1)
        self.files: list[str] = header.get("files") or []
        self.timeout_s: float | None = header.get("timeout_s")
        self.start_timeout_s: float | None = header.get("start_timeout_s")
        self.is_importing = False  # on a clock of its own
        self.body = body
        self.deadline_s: float | None = None
        self.cancelled = False  # by the server; until its deadline it may end by itself
        self.ending: str | None = None  # the failure kind with which the supervisor is ending it


class Executions:
    """A bounded number runs at once, the others keep their order."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._waiting: dict[str, Execution] = {}  # in the order of arrival
        self.running: dict[str, Execution] = {}
        self._ended: dict[str, int] = {}  # to the last attempt that ended here

    def knows(self, execution_id: str) -> bool:
        """Whether it waits, runs or has ended here."""
        return self.attempt(execution_id) > 0

    def attempt(self, execution_id: str) -> int:
        """The last attempt that waits, runs or has ended here; 0 for none."""
        execution = self.running.get(execution_id) or self._waiting.get(execution_id)
        return self._ended.get(execution_id, 0) if execution is None else execution.attempt

    def open_attempts(self) -> dict[str, int]:
        """Those that wait or run."""
        return {one.id: one.attempt for one in [*self.running.values(), *self._waiting.values()]}

    def add(self, execution: Execution) -> None:
        """Put it at the end of the line."""
        self._waiting[execution.id] = execution

    def take_next(self) -> Execution | None:
        """Move the first that waits to those that run, if a slot is free."""
        if not self._waiting or len(self.running) >= self._slots:
            return None
        execution = self._waiting.pop(next(iter(self._waiting)))
        self.running[execution.id] = execution
        return execution

    def withdraw(self, execution_id: str) -> Execution | None:
        """Take one out of the line before it starts."""
        return self._waiting.pop(execution_id, None)

    def end(self, execution_id: str) -> None:
        """It has ended: free its slot and remember its id."""
        attempt = self.attempt(execution_id)
        self.running.pop(execution_id, None)
        self._ended.pop(execution_id, None)  # to the end of those that are remembered
        self._ended[execution_id] = attempt
        if len(self._ended) > _REMEMBERED_MAX:
            del self._ended[next(iter(self._ended))]
