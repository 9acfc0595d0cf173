"""Downloads from signed addresses."""

from __future__ import annotations

import httpx

from pipeyard.sdk._async.transport import AsyncTransport
from pipeyard.sdk.answers import raise_for_store_error
from pipeyard.sdk.calls import Call
from pipeyard.sdk.display import Task
from pipeyard.sdk.errors import SdkException
from pipeyard.sdk.files import Destination, destination_of
from pipeyard.sdk.resumed_downloads import Resumed


async def download(http: AsyncTransport, url: str, destination: Destination, task: Task) -> None:
    """Stream it there; after a lost connection go on where it was lost. Raises SdkException, ValueError, OSError."""
    with destination_of(destination) as file:
        so_far = Resumed(file, task)
        losses = 0
        while True:
            call = Call("GET", url, headers=so_far.headers, authorization=None)
            before = so_far.position
            try:
                async with http.stream(call) as response:
                    if not response.is_success:
                        await response.aread()
                        raise_for_store_error(response)
                    so_far.begin(response)
                    async for chunk in response.aiter_bytes():
                        so_far.write(chunk)
                return
            except httpx.TransportError as error:
                losses = 0 if so_far.position > before else losses
                await http.pause_after(call, error, losses)
                losses += 1
            except httpx.DecodingError as error:
                raise SdkException(f"the download cannot be decoded: {error}") from error
