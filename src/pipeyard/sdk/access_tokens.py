"""How long an access token lasts."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

MARGIN_S = 120.0  # a request may be under way, or held by a proxy, for that long


@dataclass(frozen=True)
class AccessToken:
    """A token; `renew_at` is on the monotonic clock of this machine, whatever time the server thinks it is."""

    text: str
    renew_at: float

    def is_old(self, now_s: float) -> bool:
        """Whether to get another one."""
        return now_s >= self.renew_at


def read_access_token(text: str, now_s: float) -> AccessToken:
    """A token that came just now. One that does not tell how long it lasts is used until it is refused."""
    try:
        payload = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        lifetime_s = float(claims["exp"] - claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError):
        return AccessToken(text, float("inf"))
    return AccessToken(text, now_s + lifetime_s - min(MARGIN_S, lifetime_s / 2))
