"""Conditional requests and ranges (RFC 9110) for one object."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pipeyard.domain.objects import StoredObject

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.IGNORECASE)


def check_etag(request: Request, etag: str) -> bool:
    """Whether the caller has this very object already. Raises 412 when it wants another one."""
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, etag):
        raise HTTPException(412, f"If-Match: the object's ETag is {etag} now")
    known = request.headers.get("if-none-match")
    return known is not None and _names(known, etag)


def read_range(request: Request, found: StoredObject) -> tuple[int, int] | None:
    """The first byte and the one after the last; None: the whole. Raises 416.

    What is no single range of bytes, or is of another version of the object, is not heeded.
    """
    text, only_if = request.headers.get("range"), request.headers.get("if-range")
    match = _RANGE.fullmatch(text.strip()) if text is not None else None
    if match is None or match[1] == match[2] == "" or (only_if is not None and only_if.strip() != found.etag):
        return None
    first, last = match[1], match[2]
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(found.size - int(last), 0)
    stop = min(int(last) + 1, found.size) if first and last else found.size
    if start >= stop:
        headers = {"Content-Range": f"bytes */{found.size}"}
        raise HTTPException(416, f"Range: {text} is beyond the object's {found.size} bytes", headers)
    return start, stop


def _names(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (one.strip().removeprefix("W/") for one in header.split(","))
