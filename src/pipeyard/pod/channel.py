"""The worker's end of the channel to its supervisor."""

from __future__ import annotations

import os
import socket
import threading
from collections import deque

from . import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_READ_BYTES = 256 * 1024


class Channel:
    """Blocking towards the supervisor: when that holds back, so does user code."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._decoder = protocol.Decoder()
        self._frames: deque[protocol.Frame] = deque()
        self._lock = threading.Lock()
        self._sender = 0  # the thread that is sending
        self.when_sent: Callable[[], None] | None = None  # what a signal handler could not do during a send
        self._owner_pid = os.getpid()

    def fileno(self) -> int:
        """For event loops."""
        return self._socket.fileno()

    @property
    def usable(self) -> bool:
        """False in a process that user code forked, and in a signal handler that interrupts a send."""
        return os.getpid() == self._owner_pid and self._sender != threading.get_ident()

    def receive(self) -> protocol.Frame | None:
        """The next frame; None once the supervisor has no more."""
        while not self._frames:
            if not self._read(0):
                return None
        return self._frames.popleft()

    def receive_arrived(self) -> list[protocol.Frame] | None:
        """The frames that are here; None once the supervisor has no more."""
        try:
            alive = self._read(socket.MSG_DONTWAIT)
        except BlockingIOError:
            alive = True
        frames = list(self._frames)
        self._frames.clear()
        return frames if frames or alive else None

    def put_back(self, frames: list[protocol.Frame]) -> None:
        """Let `receive` return these first."""
        self._frames.extendleft(reversed(frames))

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame. Any thread may."""
        data = protocol.encode(header, body)
        when_sent = None
        with self._lock:
            self._sender = threading.get_ident()
            try:
                self._socket.sendall(data)
            except OSError:
                pass  # the supervisor is gone, and with it the pod
            finally:
                self._sender = 0
                when_sent, self.when_sent = self.when_sent, None
        if when_sent is not None:
            when_sent()

    def _read(self, flags: int) -> bool:
        data = self._socket.recv(_READ_BYTES, flags)
        self._frames.extend(self._decoder.feed(data))
        return bool(data)
