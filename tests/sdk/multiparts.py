"""Multipart bodies taken apart."""

from __future__ import annotations

from email.parser import BytesParser

import httpx


def parts(request: httpx.Request) -> dict[str, tuple[str | None, bytes]]:
    """The parts of a multipart request: file name and content by name."""
    head = f"Content-Type: {request.headers['Content-Type']}\n\n".encode()
    message = BytesParser().parsebytes(head + request.content)
    found = {}
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")
        found[name] = (part.get_filename(), part.get_payload(decode=True))
    return found
