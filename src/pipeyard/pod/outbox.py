"""The events that the server has not acknowledged: numbered, kept in order, sent again after a reconnection."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque

from . import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    Entry = Union["_Event", "_FileEvents"]

# Beyond this the supervisor stops reading what the worker writes until the server has caught up.
HELD_MAX_BYTES = 4 * 1024 * 1024
# What may be on its way to the server, sent and not acknowledged.
WINDOW_BYTES = 8 * 1024 * 1024
_MERGED_LOG_MAX_BYTES = 64 * 1024


class _Event:
    __slots__ = ("body", "first", "header", "last")

    def __init__(self, number: int, header: dict[str, Any], body: bytes) -> None:
        self.first = self.last = number
        self.header = header
        self.body = body

    def frame(self, number: int) -> bytes:
        return protocol.encode({**self.header, "n": number}, self.body)

    def forget(self) -> int:
        return len(self.body)


class _FileEvents:
    """All chunks of one file. They are read when their turn comes: a file never sits in memory."""

    __slots__ = ("_fd", "_path", "_size", "first", "header", "last")

    def __init__(self, first: int, header: dict[str, Any], path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._fd)
            raise OSError(f"{path} is not a regular file")
        self._path = path
        self._size = status.st_size
        self.header = header
        self.first = first
        self.last = first + max(0, self._size - 1) // protocol.FILE_CHUNK_BYTES

    def frame(self, number: int) -> bytes:
        offset = (number - self.first) * protocol.FILE_CHUNK_BYTES
        body = os.pread(self._fd, min(protocol.FILE_CHUNK_BYTES, self._size - offset), offset)
        header = {**self.header, "n": number, "offset": offset, "last": number == self.last}
        return protocol.encode(header, body)

    def forget(self) -> int:
        os.close(self._fd)
        with contextlib.suppress(OSError):  # user code may have removed it: it is its own
            os.unlink(self._path)
        return 0


class Outbox:
    """Numbers events, keeps them until they are acknowledged, and hands out the next frame to send."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._last = 0  # the number of the newest event
        self._next = 1  # the number of the next event to send
        self._held_bytes = 0
        self._sent: deque[tuple[int, int]] = deque()  # (number, bytes) on their way
        self._sent_bytes = 0
        self._cursor = 0  # the index of the entry that holds `_next`

    @property
    def empty(self) -> bool:
        """Whether the server has acknowledged all."""
        return not self._entries

    def unacknowledged_ends(self) -> dict[str, int]:
        """The executions whose end the server has not acknowledged, each with its attempt."""
        headers = [entry.header for entry in self._entries if entry.header["type"] == "finished"]
        return {header["execution_id"]: header["attempt"] for header in headers}

    @property
    def full(self) -> bool:
        """Whether nothing more should be taken from the worker now."""
        return self._held_bytes >= HELD_MAX_BYTES

    def add(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Append an event."""
        self._last += 1
        self._entries.append(_Event(self._last, header, body))
        self._held_bytes += len(body)

    def add_log(self, header: dict[str, Any], body: bytes) -> None:
        """Append a log event, or add its lines to the one before, if that is of the same source and still here."""
        tail = self._entries[-1] if self._entries else None
        if (
            isinstance(tail, _Event)
            and tail.first >= self._next
            and tail.header["type"] == "log"
            and tail.header["execution_id"] == header["execution_id"]
            and tail.header["stream"] == header["stream"]
            and len(tail.body) < _MERGED_LOG_MAX_BYTES
        ):
            tail.body += body
            self._held_bytes += len(body)
        else:
            self.add(header, body)

    def add_file(self, header: dict[str, Any], path: str) -> None:
        """Append the events that carry a file. Raises OSError."""
        events = _FileEvents(self._last + 1, header, path)
        self._last = events.last
        self._entries.append(events)

    def acknowledge(self, number: int) -> None:
        """Forget the events up to `number`."""
        while self._entries and self._entries[0].last <= number:
            self._held_bytes -= self._entries.popleft().forget()
            self._cursor = max(0, self._cursor - 1)
        while self._sent and self._sent[0][0] <= number:
            self._sent_bytes -= self._sent.popleft()[1]
        self._next = max(self._next, min(number, self._last) + 1)

    def rewind(self, acked: int) -> None:
        """A new connection: what follows `acked` is sent again."""
        self.acknowledge(acked)
        self._next = max(acked + 1, self._entries[0].first) if self._entries else self._last + 1
        self._sent.clear()
        self._sent_bytes = 0
        self._cursor = 0

    def next_frame(self) -> bytes | None:
        """The next frame to send, or None while there is none or enough is on its way."""
        if self._next > self._last or self._sent_bytes >= WINDOW_BYTES:
            return None
        while self._entries[self._cursor].last < self._next:
            self._cursor += 1
        frame = self._entries[self._cursor].frame(self._next)
        self._sent.append((self._next, len(frame)))
        self._sent_bytes += len(frame)
        self._next += 1
        return frame
