"""What the client raises.

SdkException                 any failure; ValueError and TypeError are for arguments that cannot be right
 ├─ AuthenticationError      the SDK token or the endpoint token is missing or wrong (401)
 ├─ NotFoundError            no such pipeline, deployment, execution... (404)
 ├─ ConflictError            the name is taken, or the state does not allow it now (409)
 ├─ QueueFullError           too many executions wait: come back after `retry_after_s` (429)
 ├─ UnreachableError         no answer came; whether the call was carried out is said in the text
 ├─ CreationFailedError      the pipeline or deployment cannot be built; the text ends with the last lines of its log
 ├─ ExecutionFailedError     the execution did not succeed: `execution_id`, `reason`, `remedy`
 └─ WaitTimeoutError         `timeout_s` has passed; what was waited for goes on
"""

from __future__ import annotations

from typing import Any

_UNREACHABLE_BEHIND_A_PROXY = (502, 504)
_SHOWN_APART = ("remedy", "traceback")


class SdkException(Exception):  # noqa: N818
    """Any failure of a call.

    `message` is the plain text, `status_code` the HTTP status, `name` the kind of error as the server calls it,
    `request_id` what the server's log knows the call by, `additional_data` whatever else came. All but the first may
    be None.
    """

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        name: str | None = None,
        request_id: str | None = None,
        additional_data: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.name = name
        self.request_id = request_id
        self.additional_data = additional_data

    def __str__(self) -> str:
        """`[name] message`, then the remedy, other data and the request id on lines of their own."""
        label = self.name or self.status_code
        lines = [self.message if label is None else f"[{label}] {self.message}"]
        if self.status_code in _UNREACHABLE_BEHIND_A_PROXY:
            lines.append("The platform is currently unreachable. Please try again later.")
        lines += self._details()
        if self.request_id and self.request_id != "NO_REQUEST_ID":
            lines.append(f"Request id: {self.request_id}")
        return "\n".join(lines)

    @property
    def remedy(self) -> str | None:
        """What to do about it, when the server said so."""
        return self._datum("remedy")

    def _datum(self, key: str) -> str | None:
        value = self.additional_data.get(key) if isinstance(self.additional_data, dict) else None
        return value if isinstance(value, str) else None

    def _details(self) -> list[str]:
        if not isinstance(self.additional_data, dict):
            return [f"Additional data: {self.additional_data}"] if self.additional_data else []
        rest = {key: value for key, value in self.additional_data.items() if key not in _SHOWN_APART}
        lines = [f"What to do: {self.remedy}"] if self.remedy else []
        if self._datum("traceback"):
            lines.append(str(self._datum("traceback")).rstrip())
        return lines + ([f"Additional data: {rest}"] if rest else [])


class AuthenticationError(SdkException):
    """The SDK token or the endpoint token is missing, wrong or replaced."""


class NotFoundError(SdkException):
    """What was named does not exist."""


class ConflictError(SdkException):
    """The name is taken, or the present state does not allow what was asked."""


class QueueFullError(SdkException):
    """Too many executions wait. `retry_after_s` is when to come back; None when the server did not say."""

    retry_after_s: float | None = None


class UnreachableError(SdkException):
    """No answer came."""


class CreationFailedError(SdkException):
    """A pipeline or a deployment cannot be built. Its log has the reason."""


class ExecutionFailedError(SdkException):
    """The execution did not succeed."""

    @property
    def execution_id(self) -> str | None:
        """Of which execution."""
        return self._datum("execution_id")

    @property
    def reason(self) -> str | None:
        """The kind of failure: `raised`, `out_of_memory`, `timed_out`..."""
        return self._datum("reason")


class WaitTimeoutError(SdkException, TimeoutError):
    """`timeout_s` has passed; what was waited for goes on."""
