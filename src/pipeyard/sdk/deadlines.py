"""How long a caller waits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeyard import clock
from pipeyard.sdk.arguments import check_seconds
from pipeyard.sdk.errors import WaitTimeoutError


@dataclass(frozen=True)
class Deadline:
    """The end of a wait. Without `ends_at` (monotonic seconds) it never comes."""

    timeout_s: float | None = None
    ends_at: float | None = None
    failure: str = "there was no answer"
    meanwhile: str = ""
    execution_id: str | None = None

    @classmethod
    def after(cls, timeout_s: float | None) -> Deadline:
        """In so many seconds from now; never with None. Raises ValueError unless it is a number above 0."""
        check_seconds(timeout_s)
        if timeout_s is None:
            return NO_DEADLINE
        if not timeout_s > 0:
            raise ValueError(
                f"'timeout_s' must be more than 0 seconds, or None to wait without an end, got {timeout_s}"
            )
        return cls(timeout_s, clock.monotonic_s() + timeout_s)

    def of(self, failure: str, meanwhile: str) -> Deadline:
        """The same, with what to say when it passes."""
        return replace(self, failure=failure, meanwhile=meanwhile)

    def of_execution(self, execution_id: str) -> Deadline:
        """The same, of a wait for an execution."""
        after = self.of(f"execution {execution_id} has not ended", "it goes on: see get_pipeline_execution")
        return replace(after, execution_id=execution_id)

    @property
    def remaining_s(self) -> float | None:
        """Seconds until then, not below 0; None when it never comes."""
        return None if self.ends_at is None else max(0.0, self.ends_at - clock.monotonic_s())

    @property
    def has_passed(self) -> bool:
        """Whether it is over."""
        return self.remaining_s == 0.0

    @property
    def execution(self) -> dict[str, str] | None:
        """What an error says of the execution that was waited for."""
        return None if self.execution_id is None else {"execution_id": self.execution_id}

    def check(self) -> None:
        """Raises WaitTimeoutError when it is over."""
        if self.has_passed:
            raise self.error()

    def error(self) -> WaitTimeoutError:
        """That it has passed."""
        message = f"{self.failure} within {self.timeout_s} s; {self.meanwhile}".rstrip("; ")
        return WaitTimeoutError(message, name="TimeoutException", additional_data=self.execution)


NO_DEADLINE = Deadline()
