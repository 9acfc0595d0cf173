"""How long a caller of an endpoint wants to be held: the `Prefer` header (RFC 7240)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

from pipeyard.wire import CLIENT_HEADER

_WAIT = re.compile(r"wait\s*=\s*(\d{1,6})")


@dataclass(frozen=True)
class Preference:
    """Seconds to hold an answer for the result; 0: answer at once."""

    hold_s: float


def read_preference(request: Request, default_hold_s: float) -> Preference:
    """Clients of the SDK poll by themselves; others are held, as long as they prefer and the setting allows."""
    wishes = [wish.strip().lower() for wish in request.headers.get("prefer", "").split(",")]
    if CLIENT_HEADER in request.headers or "respond-async" in wishes:
        return Preference(0.0)
    for wish in wishes:
        match = _WAIT.fullmatch(wish)
        if match:
            return Preference(min(float(match[1]), default_hold_s))
    return Preference(default_hold_s)
