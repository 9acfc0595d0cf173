"""Ends the function that runs in the main thread, when the server has cancelled its execution."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .channel import Channel
    from .worker import Call


class Cancelled(KeyboardInterrupt):
    """Raised where the function is. `except Exception` lets it pass, and libraries know what it means."""


class Interrupts:
    """The supervisor sends a `cancel` frame, then SIGINT. What comes late interrupts nobody else."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._running: str | None = None
        self._owner_pid = os.getpid()
        signal.signal(signal.SIGINT, self._on_signal)

    def call(self, function: Any, call: Call) -> Any:
        """What the function returns. Raises whatever it raises, and Cancelled."""
        try:
            self._running = call.execution_id
            return function(**call.inputs)
        finally:
            # The signal may come before this line: Cancelled is raised then, in what is still this execution.
            self._running = None

    def _on_signal(self, *_: object) -> None:
        if os.getpid() != self._owner_pid:  # a process that user code forked
            raise KeyboardInterrupt
        if self._running is None:
            return
        if not self._channel.usable:  # in the midst of a frame, which must be whole
            self._channel.when_sent = self._on_signal
            return
        frames = self._channel.receive_arrived() or []
        is_meant = any(frame.type == "cancel" and frame.header["execution_id"] == self._running for frame in frames)
        self._channel.put_back([frame for frame in frames if frame.type != "cancel"])
        if is_meant:
            self._running = None  # once
            raise Cancelled("the execution was cancelled")
