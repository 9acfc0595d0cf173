"""Answers that carry one value of an execution."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from pipeyard.api.json_answers import json_answer

FILE_TYPE = "application/octet-stream"  # exactly: clients parse anything else as JSON (wire.md 3.6)


def value_answer(value: Any | AsyncIterator[bytes] | None, disposition: str | None = None) -> Response:
    """JSON for a value, bytes for a file, null for what does not exist."""
    if isinstance(value, AsyncIterator):
        headers = {} if disposition is None else {"Content-Disposition": disposition}
        return StreamingResponse(value, media_type=FILE_TYPE, headers=headers)
    return json_answer(value)
