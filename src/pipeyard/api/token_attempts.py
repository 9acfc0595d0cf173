"""Every look at a token of a request is an attempt of its address."""

from __future__ import annotations

from types import TracebackType

from starlette.requests import Request

from pipeyard.errors import AuthenticationError, PermissionDeniedError
from pipeyard.services.token_attempts import TokenAttempts


class Attempt:
    """`with attempt(request, token):` around the look. Raises TooManyAttemptsError before it."""

    __slots__ = ("_address", "_attempts", "_token")

    def __init__(self, attempts: TokenAttempts, address: str, token: str) -> None:
        self._attempts = attempts
        self._address = address
        self._token = token

    def __enter__(self) -> None:
        self._attempts.check(self._address, self._token)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._attempts.succeeded(self._address, self._token)
        elif isinstance(error, AuthenticationError | PermissionDeniedError) and error.is_guess:
            self._attempts.failed(self._address)


def address_of(request: Request, *, is_behind_proxy: bool) -> str:
    """Of the caller. A proxy adds it at the end of `X-Forwarded-For`; what stands before is the caller's own claim."""
    if is_behind_proxy:
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded
    client = request.scope["client"]
    return client[0] if client else ""
