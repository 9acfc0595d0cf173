"""When a request is sent again after its connection was lost."""

from __future__ import annotations

import httpx

from pipeyard.sdk.addresses import origin
from pipeyard.sdk.calls import Call
from pipeyard.sdk.errors import UnreachableError

DELAYS_S = (0.1, 0.3, 1.0, 3.0, 5.0, 5.0)  # a restart of the platform takes some seconds
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_OUR_FAULT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


def retry_delay_s(call: Call, error: httpx.TransportError, losses: int, *, is_known: bool) -> float | None:
    """Seconds to wait before the next attempt after that many losses; None: give up.

    What cannot have reached the server is sent again, whatever it is, unless that server never answered this client:
    then the address is wrong, or nothing runs there. What may have been carried out is sent again only where that is
    the same as once.
    """
    if losses >= len(DELAYS_S) or isinstance(error, _OUR_FAULT):
        return None
    if isinstance(error, _NOT_SENT):
        return DELAYS_S[losses] if is_known else None
    if isinstance(error, httpx.TimeoutException) and not call.is_held:
        return None  # the server is there, but slow: to ask again makes it slower
    return DELAYS_S[losses] if call.may_be_repeated else None


def unreachable_error(call: Call, error: httpx.RequestError) -> UnreachableError:
    """What to say when no attempt is left."""
    server, path = origin(call.url), httpx.URL(call.url).path
    reason = str(error) or type(error).__name__
    if isinstance(error, _NOT_SENT):
        message = f"{server} cannot be reached ({reason}): check the address, and that the platform is up"
    elif call.may_be_repeated:
        message = f"{server} gave no answer to {call.method} {path} ({reason})"
    else:
        message = (
            f"{server} gave no answer to {call.method} {path} ({reason}): it may have been carried out, so look "
            "before you repeat it"
        )
    return UnreachableError(message, name="RequestError", additional_data=call.deadline.execution)
