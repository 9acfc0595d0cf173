"""Logs as a stream: one JSON object a line, as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from starlette.responses import StreamingResponse

from pipeyard.api.json_answers import to_json
from pipeyard.api.operations import QUERY_FLAG, TEXT, Answer, operation
from pipeyard.domain.log_lines import LogLine

LINES_TYPE = "application/x-ndjson"

FOLLOW = operation(
    {200: Answer("One JSON object a line: timestamp, message, stream", content={LINES_TYPE: TEXT})},
    query={"follow": QUERY_FLAG},
)


def log_stream(
    batches: AsyncIterator[Sequence[LogLine]], shape: Callable[[LogLine], dict[str, Any]]
) -> StreamingResponse:
    """Each line as JSON; an empty line is a heartbeat."""

    async def text() -> AsyncIterator[bytes]:
        async for lines in batches:
            yield b"".join(to_json(shape(line)) + b"\n" for line in lines) or b"\n"

    return StreamingResponse(text(), media_type=LINES_TYPE)
