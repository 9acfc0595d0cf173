"""The worker's stdout and stderr, read to the last byte."""

from __future__ import annotations

import os
import selectors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_READ_BYTES = 64 * 1024
_DRAIN_MAX_READS = 16  # a pipe holds at most 1 MiB


class Pipes:
    """Calls `on_data(stream, data)` with whatever comes, as long as it is not paused."""

    def __init__(
        self, selector: selectors.BaseSelector, streams: Mapping[int, str], on_data: Callable[[str, bytes], None]
    ) -> None:
        self._selector = selector
        self._streams = dict(streams)
        self._on_data = on_data
        self._paused = False
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)
            self._watch(descriptor)

    @property
    def ended(self) -> bool:
        """Whether both have come to their end."""
        return not self._streams

    def pause(self, paused: bool) -> None:
        """Stop or resume reading as data comes; `drain` reads in any case."""
        if paused == self._paused:
            return
        self._paused = paused
        for descriptor in self._streams:
            if paused:
                self._selector.unregister(descriptor)
            else:
                self._watch(descriptor)

    def drain(self) -> None:
        """Read what is in the pipes now, not what a busy thread goes on to write."""
        for descriptor in list(self._streams):
            for _ in range(_DRAIN_MAX_READS):
                if not self._read(descriptor):
                    break

    def _watch(self, descriptor: int) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, lambda _mask: self._read(descriptor))

    def _read(self, descriptor: int) -> bool:
        """Read once. Returns whether there may be more."""
        if descriptor not in self._streams:  # closed by an earlier event of the same batch
            return False
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._on_data(self._streams[descriptor], data)
            return True
        del self._streams[descriptor]
        if not self._paused:
            self._selector.unregister(descriptor)
        os.close(descriptor)
        return False
