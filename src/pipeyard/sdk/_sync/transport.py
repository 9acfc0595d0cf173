# Generated from src/pipeyard/sdk/_async/transport.py by `make generate`: change that file, not this one.
"""Requests: sent with a token, held, streamed, and sent again where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx

from pipeyard import clock
from pipeyard.sdk._sync.effects import Pause
from pipeyard.sdk._sync.tokens import Tokens
from pipeyard.sdk.addresses import Addresses, api, join, origin
from pipeyard.sdk.answers import decode
from pipeyard.sdk.calls import BEARER, HELD_S, Call
from pipeyard.sdk.errors import SdkException
from pipeyard.sdk.requests import request_options, timeouts
from pipeyard.sdk.retries import retry_delay_s, unreachable_error

NOT_YET = 307  # what a held wait is answered with when its hold has passed
_PACE_S = 1.0  # between two holds, of a server that does not hold


class Transport:
    """One client's way to the server."""

    def __init__(self, client: httpx.Client, addresses: Addresses, pause: Pause) -> None:
        self._client = client
        self._pause = pause
        self._known: set[str] = set()  # the origins that have ever answered
        self._tokens = Tokens(join(api(addresses.control_url), "auth", "refresh"), addresses.sdk_token, self.ask)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def ask(self, call: Call) -> Any:
        """The value of the answer. Raises SdkException."""
        return decode(self.send(call))

    def send(self, call: Call) -> httpx.Response:
        """The answer, whatever its status, with its body. Raises UnreachableError, WaitTimeoutError."""
        losses = 0
        while True:
            try:
                return self._send_once(call)
            except httpx.TransportError as error:
                self.pause_after(call, error, losses)
                losses += 1
            except httpx.RequestError as error:
                raise unreachable_error(call, error) from error

    def _send_once(self, call: Call) -> httpx.Response:
        token = self._tokens.get() if call.authorization == BEARER else None
        response = self._client.send(self._request(call, token), follow_redirects=call.follows_redirects)
        self._known.add(origin(call.url))
        if response.status_code == httpx.codes.UNAUTHORIZED and token is not None:
            # Nothing was done: the token was refused at the door.
            request = self._request(call, self._tokens.renew(token))
            response = self._client.send(request, follow_redirects=call.follows_redirects)
        return response

    def pause_after(self, call: Call, error: httpx.TransportError, losses: int) -> None:
        """Before the next attempt. Raises UnreachableError when there is none, WaitTimeoutError when time is over."""
        if call.deadline.has_passed:
            raise call.deadline.error() from error
        delay_s = retry_delay_s(call, error, losses, is_known=origin(call.url) in self._known)
        if delay_s is None:
            raise unreachable_error(call, error) from error
        remaining_s = call.deadline.remaining_s
        self._pause(delay_s if remaining_s is None else min(delay_s, remaining_s))

    def hold(self, call: Call, is_pending: Callable[[Any], bool]) -> Any:
        """The first value that is not pending, asked for with one held request after the other.

        Raises WaitTimeoutError, SdkException.
        """
        response = self._hold(call, lambda answer: is_pending(decode(answer)))
        return decode(response)

    def hold_response(self, call: Call) -> httpx.Response:
        """The first answer that does not say "not yet", whatever its status. Raises WaitTimeoutError, SdkException."""
        return self._hold(call, lambda answer: answer.status_code == NOT_YET)

    def _hold(self, call: Call, is_pending: Callable[[httpx.Response], bool]) -> httpx.Response:
        held = replace(call, is_held=True, silence_s=HELD_S)
        while True:
            asked_at = clock.monotonic_s()
            response = self.send(held)
            if not is_pending(response):
                return response
            call.deadline.check()
            if clock.monotonic_s() - asked_at < _PACE_S:
                self._pause(_PACE_S)

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """An answer whose body is read as it comes. Raises httpx.TransportError, for the reader to go on after it."""
        token = self._tokens.get() if call.authorization == BEARER else None
        response = self._client.send(self._request(call, token), stream=True, follow_redirects=True)
        self._known.add(origin(call.url))
        try:
            if response.status_code == httpx.codes.UNAUTHORIZED and token is not None:
                response.close()
                request = self._request(call, self._tokens.renew(token))
                response = self._client.send(request, stream=True, follow_redirects=True)
            yield response
        finally:
            response.close()

    def _request(self, call: Call, token: str | None) -> httpx.Request:
        try:
            return self._client.build_request(
                call.method, call.url, timeout=timeouts(call), **request_options(call, token)
            )
        except httpx.InvalidURL as error:
            raise SdkException(f"{call.url!r} is no address: {error}") from error
