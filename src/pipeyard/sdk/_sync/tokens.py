# Generated from src/pipeyard/sdk/_async/tokens.py by `make generate`: change that file, not this one.
"""Access tokens: short-lived, made from the SDK token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeyard import clock
from pipeyard.sdk._sync.effects import Lock
from pipeyard.sdk.access_tokens import AccessToken, read_access_token
from pipeyard.sdk.calls import Call


class Tokens:
    """The access token of one client, renewed before it ends."""

    def __init__(self, url: str, sdk_token: str, ask: Callable[[Call], Any]) -> None:
        # Nothing is used up by a refresh, so that it can be repeated.
        self._refresh = Call("POST", url, json={"refresh_token": sdk_token}, authorization=None, is_repeatable=True)
        self._ask = ask
        self._lock = Lock()
        self._token: AccessToken | None = None

    def get(self) -> str:
        """A token that is valid for a while. Raises SdkException."""
        return self._get(None)

    def renew(self, refused: str) -> str:
        """A token other than the one that was refused. Raises SdkException."""
        return self._get(refused)

    def _get(self, refused: str | None) -> str:
        with self._lock:  # of many callers one refreshes
            now_s = clock.monotonic_s()
            if self._token is None or self._token.text == refused or self._token.is_old(now_s):
                self._token = read_access_token((self._ask(self._refresh))["access_token"], now_s)
            return self._token.text
