"""The supervisor's side towards the server: one connection at a time, the newest wins, events until acknowledged."""

from __future__ import annotations

import selectors
import socket

from . import clock, protocol
from .link import Link
from .outbox import Outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SEND_AHEAD_BYTES = 512 * 1024


class ServerSide:
    """Accepts the server, greets it, hands on its commands, sends events."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listener: socket.socket,
        welcome: Callable[[], dict[str, Any]],
        on_command: Callable[[protocol.Frame], None],
    ) -> None:
        self.events = Outbox()
        self.alone_since_s: float | None = clock.monotonic_s()
        self._selector = selector
        self._welcome = welcome
        self._on_command = on_command
        self._link: Link | None = None
        self._greeted = False
        self._listener = listener
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def adopt(self, connection: socket.socket, decoder: protocol.Decoder | None = None) -> Callable[..., None]:
        """Make this the connection to the server. Returns what takes its frames, for those read already."""
        if self._link is not None:
            self._link.close()
        self._greeted = False
        self.alone_since_s = None
        link: Link

        def on_frames(frames: list[protocol.Frame] | None) -> None:
            if link is self._link:  # what an older connection still had to say is not heard
                self._on_frames(frames)

        link = self._link = Link(self._selector, connection, on_frames, decoder)
        return on_frames

    def send_events(self) -> None:
        """Send what can be sent now."""
        link = self._link
        while link is not None and self._greeted and not link.closed and link.unsent_bytes < _SEND_AHEAD_BYTES:
            frame = self.events.next_frame()
            if frame is None:
                return
            link.send_encoded(frame)

    def _accept(self, _mask: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # the caller has given up already
        self.adopt(connection)

    def _on_frames(self, frames: list[protocol.Frame] | None) -> None:
        if frames is None:
            self._link = None
            self.alone_since_s = clock.monotonic_s()
            return
        for frame in frames:
            if frame.type == "hello":
                self._greet(frame.header)
            elif frame.type == "ack":
                self.events.acknowledge(int(frame.header["n"]))
            else:
                self._on_command(frame)

    def _greet(self, hello: dict[str, Any]) -> None:
        if self._link is None:
            return
        self._link.send(self._welcome())
        self.events.rewind(int(hello.get("acked") or 0))
        self._greeted = True
