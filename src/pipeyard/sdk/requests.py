"""A call as HTTP has it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from pipeyard.sdk.calls import BEARER, Call

CONNECT_S = 10.0


def request_options(call: Call, access_token: str | None) -> dict[str, Any]:
    """The arguments of `build_request` that the call decides."""
    headers = dict(call.headers)
    if call.authorization is not None:
        headers["Authorization"] = f"{BEARER} {access_token}" if call.authorization == BEARER else call.authorization
    options: dict[str, Any] = {"headers": headers}
    if call.query is not None:
        options["params"] = {name: value for name, value in call.query.items() if value is not None}
    if call.json is not None:
        options["content"] = json.dumps(call.json, ensure_ascii=False).encode()
        headers["Content-Type"] = "application/json"
    elif call.content is not None:
        options["content"] = call.content
        if call.content_type is not None:
            headers["Content-Type"] = call.content_type
    elif call.form is not None or call.files:
        options["data"] = dict(call.form or {})
        if call.files:
            options["files"] = list(call.files)
    return options


def timeouts(call: Call) -> httpx.Timeout:
    """A wait that has an end is cut short by the client: the server is not told of it."""
    remaining_s = call.deadline.remaining_s
    if remaining_s is None:
        return httpx.Timeout(call.silence_s, connect=CONNECT_S, pool=None)
    soon_s = max(remaining_s, 0.001)
    return httpx.Timeout(min(call.silence_s, soon_s), connect=min(CONNECT_S, soon_s), pool=None)
