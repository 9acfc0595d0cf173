"""What an answer means: a value, or an error to raise."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import httpx

from pipeyard.sdk.errors import (
    AuthenticationError,
    ConflictError,
    ExecutionFailedError,
    NotFoundError,
    QueueFullError,
    SdkException,
)
from pipeyard.sdk.execution_context import get_execution_id

FILE_TYPE = "application/octet-stream"
_BYTES_TYPES = (FILE_TYPE, "text/csv")
_BY_STATUS: dict[int, type[SdkException]] = {
    401: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    429: QueueFullError,
}
_BY_NAME: dict[str, type[SdkException]] = {
    "ExecutionFailed": ExecutionFailedError,
    "ExecutionError": ExecutionFailedError,
    "NoSuchKey": NotFoundError,
}
_INSIDE = (
    "The code of a pipeline may not call this, though your computer may: it can record metrics, use the data store and "
    "the environment variables, trigger endpoints and read."
)
_XML_ITEM = re.compile(r"<(\w+)>([^<]*)</\1>")


def content_type(response: httpx.Response) -> str:
    """Without its parameters."""
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def decode(response: httpx.Response) -> Any:
    """Bytes of a file, None for no content, else the JSON value. Raises SdkException."""
    raise_for_error(response)
    if content_type(response) in _BYTES_TYPES:
        return response.content
    if response.status_code == 204 or response.content == b"OK":
        return None
    try:
        return response.json()
    except ValueError:
        raise _unreadable(response) from None


def raise_for_error(response: httpx.Response) -> None:
    """Raises SdkException, of the class that fits, for a status of 400 and above."""
    if response.status_code < 400:
        return
    try:
        body = response.json()
    except ValueError:
        raise _unreadable(response) from None
    if not isinstance(body, dict):
        raise _unreadable(response)
    message = body.get("message")
    raise _error(
        response,
        message if isinstance(message, str) else "the server returned an error",
        body.get("name"),
        body.get("request_id"),
        body.get("additional_data"),
    )


def raise_for_store_error(response: httpx.Response) -> None:
    """As `raise_for_error`, for the data store: anything but a 2xx is an error, told in XML or in JSON."""
    if response.is_success:
        return
    items = {tag: html.unescape(text) for tag, text in _XML_ITEM.findall(response.text)}
    if "Code" in items and "Message" in items:
        raise _error(response, items.pop("Message"), items.pop("Code"), items.pop("RequestId", None), items)
    raise_for_error(response)
    raise _unreadable(response)


def _error(response: httpx.Response, message: str, name: Any, request_id: Any, additional_data: Any) -> SdkException:
    if response.status_code == 403 and get_execution_id() is not None:
        message = f"{message}\n{_INSIDE}"
    kind = _BY_NAME.get(name) or _BY_STATUS.get(response.status_code, SdkException)
    error = kind(message, response.status_code, name, request_id, additional_data)
    if isinstance(error, QueueFullError):
        after = response.headers.get("Retry-After", "")
        error.retry_after_s = float(after) if after.isdigit() else None
    return error


def _unreadable(response: httpx.Response) -> SdkException:
    shown = json.dumps(response.text[:500])
    return SdkException(f"the server's answer cannot be read: {shown}", status_code=response.status_code)
