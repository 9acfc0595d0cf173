"""A non-blocking socket that carries frames, for a selector loop."""

from __future__ import annotations

import selectors

from . import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    Frames = list[protocol.Frame]

_READ_BYTES = 256 * 1024


class Link:
    """Buffers what is sent and decodes what arrives. `on_frames` gets None when the peer is gone."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        peer: socket.socket,
        on_frames: Callable[[Frames | None], None],
        decoder: protocol.Decoder | None = None,
    ) -> None:
        self._selector = selector
        self._socket = peer
        self._on_frames = on_frames
        self._decoder = decoder or protocol.Decoder()
        self._outgoing = bytearray()
        self._interest = 0
        self._reading = True
        self.closed = False
        peer.setblocking(False)
        self._watch()

    @property
    def unsent_bytes(self) -> int:
        """How much waits for the peer to read."""
        return len(self._outgoing)

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame, now or as soon as the peer reads."""
        self.send_encoded(protocol.encode(header, body))

    def send_encoded(self, frame: bytes) -> None:
        """Send the bytes of a frame."""
        if self.closed:
            return
        self._outgoing += frame
        self._flush()

    def pause(self, paused: bool) -> None:
        """Stop reading, or go on: the peer blocks once the kernel's buffer is full."""
        self._reading = not paused
        self._watch()

    def read_now(self) -> None:
        """Take all that has arrived already."""
        while not self.closed and self._read_once():
            pass

    def close(self) -> None:
        """Give up the connection without a word. Idempotent."""
        if not self.closed:
            self.closed = True
            self._watch()
            self._socket.close()

    def _watch(self) -> None:
        wanted = 0
        if not self.closed:
            wanted = (selectors.EVENT_READ if self._reading else 0) | (selectors.EVENT_WRITE if self._outgoing else 0)
        if wanted == self._interest:
            return
        if not self._interest:
            self._selector.register(self._socket, wanted, self._on_ready)
        elif wanted:
            self._selector.modify(self._socket, wanted, self._on_ready)
        else:
            self._selector.unregister(self._socket)
        self._interest = wanted

    def _on_ready(self, mask: int) -> None:
        if self.closed:  # by an earlier event of the same batch
            return
        if mask & selectors.EVENT_WRITE:
            self._flush()
        if mask & selectors.EVENT_READ and not self.closed:
            self._read_once()

    def _read_once(self) -> bool:
        try:
            data = self._socket.recv(_READ_BYTES)
            frames = self._decoder.feed(data)
        except BlockingIOError:
            return False
        except (OSError, protocol.ProtocolError):
            data = b""
        if not data:
            self.close()
            self._on_frames(None)
            return False
        if frames:
            self._on_frames(frames)
        return True

    def _flush(self) -> None:
        try:
            while self._outgoing:
                sent = self._socket.send(self._outgoing)
                del self._outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing.clear()  # the peer is gone: the next read says so
        self._watch()
