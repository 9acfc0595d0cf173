"""A connection to the supervisor of one pod."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, cast

from pipeyard.pod import protocol
from pipeyard.pod.protocol import Frame

logger = logging.getLogger(__name__)


class PodLink(asyncio.Protocol):
    """Frames in through `on_frame`, frames out through `send`; `lost` is set when the connection is gone."""

    def __init__(self, on_frame: Callable[[Frame], None]) -> None:
        self._on_frame = on_frame
        self._decoder = protocol.Decoder()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.lost = asyncio.Event()

    @classmethod
    async def open(cls, connection: socket.socket, on_frame: Callable[[Frame], None]) -> PodLink:
        """Take over a connected socket."""
        link = cls(on_frame)
        connection.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=connection)
        return link

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Queue a frame; dropped when the connection is gone (what matters is sent again on the next one)."""
        if self._transport is not None:
            self._transport.write(protocol.encode(header, body))

    async def drained(self) -> None:
        """Wait until the peer has read enough for more. Returns at once when the connection is gone."""
        await self._writable.wait()

    def close(self) -> None:
        """Hang up; the pod goes on."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's call."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses

    def data_received(self, data: bytes) -> None:
        """asyncio's call."""
        try:
            for frame in self._decoder.feed(data):
                self._on_frame(frame)
        except protocol.ProtocolError:
            logger.exception("a pod broke the protocol; hanging up")
            self.close()

    def pause_writing(self) -> None:
        """asyncio's call."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio's call."""
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's call."""
        self._transport = None
        self._writable.set()
        self.lost.set()
