"""How many wrong tokens an address may send: enough for mistakes, too few for a search."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from pipeyard import clock
from pipeyard.errors import TooManyAttemptsError

WINDOW_S = 60.0
ADDRESSES_MAX = 10_000  # remembered at once; the longest known goes first
KNOWN_MAX = 10_000


@dataclass
class _Failures:
    since_s: float
    count: int = 0


class TokenAttempts:
    """Counts wrong tokens per address and minute. At the limit an address may only send what was right before."""

    def __init__(self, most: int, now_s: Callable[[], float] = clock.monotonic_s) -> None:
        """`most`: wrong tokens of an address within a minute; 0: any number."""
        self._most = most
        self._now_s = now_s
        self._failures: dict[str, _Failures] = {}
        self._known: dict[int, None] = {}  # hashes of address and token: no token is kept

    def check(self, address: str, token: str) -> None:
        """Before a token is looked at. Raises TooManyAttemptsError: it is not looked at then, right or wrong."""
        if not self._failures:
            return
        failures = self._recent(_network(address))
        if failures is None or failures.count < self._most or hash((address, token)) in self._known:
            return
        left_s = int(failures.since_s + WINDOW_S - self._now_s()) + 1
        raise TooManyAttemptsError(
            f"{failures.count} wrong tokens came from this address within a minute, the limit (token_failures_max is "
            f"the setting); come back in {left_s} s",
            left_s,
        )

    def succeeded(self, address: str, token: str) -> None:
        """That token is right."""
        key = hash((address, token))
        if key not in self._known:
            self._known[key] = None
            if len(self._known) > KNOWN_MAX:
                del self._known[next(iter(self._known))]

    def failed(self, address: str) -> None:
        """It sent a token that is none."""
        if not self._most:
            return
        network = _network(address)
        failures = self._recent(network)
        if failures is None:
            failures = self._failures[network] = _Failures(self._now_s())
            if len(self._failures) > ADDRESSES_MAX:
                del self._failures[next(iter(self._failures))]
        failures.count += 1

    def _recent(self, network: str) -> _Failures | None:
        failures = self._failures.get(network)
        if failures is not None and self._now_s() - failures.since_s >= WINDOW_S:
            del self._failures[network]
            return None
        return failures


def _network(address: str) -> str:
    """The address; of IPv6 the half that is given to one customer."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address
