"""Logs as a stream: one JSON object a line, as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from starlette.responses import StreamingResponse

from pipeyard.api.json_answers import to_json
from pipeyard.api.operations import FLAG, TEXT, operation
from pipeyard.domain.log_lines import LogLine

LINES_TYPE = "application/x-ndjson"

FOLLOW: dict[str, Any] = operation(
    {200: ("One JSON object a line: timestamp, message, stream", None)}, query={"follow": FLAG}
)
FOLLOW["responses"][200]["content"] = {LINES_TYPE: {"schema": TEXT}}


def log_stream(
    batches: AsyncIterator[Sequence[LogLine]], shape: Callable[[LogLine], dict[str, Any]]
) -> StreamingResponse:
    """Each line as JSON; an empty line is a heartbeat."""

    async def text() -> AsyncIterator[bytes]:
        async for lines in batches:
            yield b"".join(to_json(shape(line)) + b"\n" for line in lines) or b"\n"

    return StreamingResponse(text(), media_type=LINES_TYPE)
