# Generated from src/pipeyard/sdk/_async/downloads.py by `make generate`: change that file, not this one.
"""Downloads from signed addresses."""

from __future__ import annotations

import httpx

from pipeyard.sdk._sync.transport import Transport
from pipeyard.sdk.answers import raise_for_store_error
from pipeyard.sdk.calls import Call
from pipeyard.sdk.display import Task
from pipeyard.sdk.errors import SdkException
from pipeyard.sdk.files import Destination, destination_of
from pipeyard.sdk.resumed_downloads import Resumed


def download(http: Transport, url: str, destination: Destination, task: Task) -> None:
    """Stream it there; after a lost connection go on where it was lost. Raises SdkException, ValueError, OSError."""
    with destination_of(destination) as file:
        so_far = Resumed(file, task)
        losses = 0
        while True:
            call = Call("GET", url, headers=so_far.headers, authorization=None)
            before = so_far.position
            try:
                with http.stream(call) as response:
                    if not response.is_success:
                        response.read()
                        raise_for_store_error(response)
                    so_far.begin(response)
                    for chunk in response.iter_bytes():
                        so_far.write(chunk)
                return
            except httpx.TransportError as error:
                losses = 0 if so_far.position > before else losses
                http.pause_after(call, error, losses)
                losses += 1
            except httpx.DecodingError as error:
                raise SdkException(f"the download cannot be decoded: {error}") from error
