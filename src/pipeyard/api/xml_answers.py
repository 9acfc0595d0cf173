"""Errors of the data store's signed URLs, in the form of S3: clients know no other there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from starlette.responses import Response

# Our names where S3 has another word.
_CODES = {
    "NotFound": "NoSuchKey",
    "PermissionDenied": "AccessDenied",
    "InvalidInput": "InvalidRequest",
    "TooLarge": "EntityTooLarge",
    "Unavailable": "ServiceUnavailable",
}
# For OpenAPI, in place of the JSON of all other routes.
XML_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {"application/xml": {"schema": {"type": "string"}}}}
    for status, meaning in (
        ("4XX", "What was wrong, in the form of S3"),
        ("503", "Nothing can be stored at present, in the form of S3"),
    )
}
_UNFIT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # for XML


def xml_error(name: str, message: str, request_id: str, status_code: int, headers: Mapping[str, str]) -> Response:
    """A body of `Code`, `Message` and `RequestId`, without a namespace."""
    texts = {"Code": _CODES.get(name, name), "Message": _UNFIT.sub("\ufffd", message), "RequestId": request_id}
    children = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in texts.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{children}</Error>'
    return Response(body.encode(), status_code, headers, media_type="application/xml")
