"""The one tree of errors. `api/errors.py` alone maps them to HTTP.

PipeyardError
 ├─ InvalidInputError        the caller sent something wrong: names the field, the problem and what is allowed
 ├─ AuthenticationError      no token, or a wrong one
 ├─ PermissionDeniedError    a right token that may not do this
 ├─ NotFoundError            no such pipeline, deployment, execution...
 ├─ ConflictError            the name is taken, or the state does not allow it now
 ├─ TooLargeError            beyond a limit on sizes
 ├─ QueueFullError           too many executions wait; come back later
 ├─ TooManyAttemptsError     too many wrong tokens came from this address; come back later
 ├─ UnavailableError         something the platform needs is away for now; try again
 │   └─ DiskError            nothing can be stored at present
 │       └─ SyncError        a file that was written may be lost: trying again proves nothing
 ├─ ExecutionEndedError      the execution whose result was asked for did not succeed
 ├─ CreationFailedError      what was accepted could not be created, and the caller was held to see it
 ├─ BuildError               a pipeline cannot be built; the reason is for its author
 ├─ PodError                 the runtime cannot start or reach a pod
 ├─ StoreError               the database cannot be opened, read or written
 └─ SettingsError            a setting has a value that it cannot have
"""

from __future__ import annotations

from typing import Any


class PipeyardError(Exception):
    """Base of every error that Pipeyard raises."""

    def __init__(self, message: str, **additional_data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.additional_data = additional_data

    @property
    def name(self) -> str:
        """The `name` of the error body: the class without its suffix."""
        return type(self).__name__.removesuffix("Error")


class InvalidInputError(PipeyardError):
    """The caller sent something wrong: `field` is where, `problem` is what, `allowed` is the way out."""

    def __init__(self, field: str, problem: str, allowed: str | None = None) -> None:
        message = f"{field}: {problem}" if allowed is None else f"{field}: {problem}; allowed: {allowed}"
        super().__init__(message, field=field)
        self.field, self.problem, self.allowed = field, problem, allowed


class AuthenticationError(PipeyardError):
    """No token, or a wrong one. `scheme` is what the `Authorization` header should begin with.

    `is_guess`: the token was never one of ours, as those of a caller that tries one after the other.
    """

    def __init__(self, message: str, scheme: str = "Bearer", *, is_guess: bool = False) -> None:
        super().__init__(message)
        self.scheme, self.is_guess = scheme, is_guess


class PermissionDeniedError(PipeyardError):
    """A right token that may not do this; with `is_guess` the token of a signed URL that is none of ours."""

    def __init__(self, message: str, *, is_guess: bool = False) -> None:
        super().__init__(message)
        self.is_guess = is_guess


class NotFoundError(PipeyardError):
    """What was named does not exist."""

    def __init__(self, kind: str, name: str, message: str | None = None) -> None:
        super().__init__(message or f'no {kind} named "{name}"', **{kind.replace(" ", "_") + "_name": name})


class ConflictError(PipeyardError):
    """The name is taken, or the present state does not allow what was asked."""


class TooLargeError(PipeyardError):
    """Beyond a limit on sizes."""


class QueueFullError(PipeyardError):
    """Too many executions wait. `retry_after_s` is when to come back."""

    def __init__(self, message: str, retry_after_s: int, **additional_data: Any) -> None:
        super().__init__(message, retry_after_s=retry_after_s, **additional_data)
        self.retry_after_s = retry_after_s


class TooManyAttemptsError(PipeyardError):
    """Too many wrong tokens came from the caller's address. `retry_after_s` is when it may try again."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class UnavailableError(PipeyardError):
    """Something the platform needs is away for now. The message says what, never where it is: that is for the log."""

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s

    @property
    def name(self) -> str:
        """`Unavailable`, whatever it is: callers do the same."""
        return "Unavailable"


class DiskError(UnavailableError):
    """Nothing can be stored at present, and nothing was. `trouble` is why, `retry_after_s` when to come back."""

    def __init__(self, trouble: str, retry_after_s: int = 5) -> None:
        super().__init__(f"nothing can be stored: {trouble}", retry_after_s)
        self.trouble = trouble


class SyncError(DiskError):
    """A file that was written may be lost. The disk would not say so again: another sync of it proves nothing."""


class ExecutionEndedError(PipeyardError):
    """The execution did not succeed. `user_fault` tells Failed (the pipeline's code) from Error (the platform)."""

    def __init__(self, message: str, *, user_fault: bool, **additional_data: Any) -> None:
        super().__init__(message, **additional_data)
        self.user_fault = user_fault

    @property
    def name(self) -> str:
        """`ExecutionFailed` or `ExecutionError`."""
        return "ExecutionFailed" if self.user_fault else "ExecutionError"


class CreationFailedError(PipeyardError):
    """What was accepted could not be created: it is there, with its log. For callers that cannot read a status."""


class BuildError(PipeyardError):
    """A pipeline cannot be built. The message is for its author."""


class PodError(PipeyardError):
    """The runtime cannot start or reach a pod."""


class StoreError(PipeyardError):
    """The database cannot be opened, read or written. The message says what to do."""


class SettingsError(PipeyardError):
    """A setting has a value that it cannot have."""
