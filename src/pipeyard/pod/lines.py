"""Cuts what an execution writes into whole lines of valid UTF-8."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional

    Source = tuple[Optional[str], str]  # execution id (None: the pod's own log), stream

# A line longer than this is handed on in pieces: progress bars may never end theirs.
LINE_MAX_BYTES = 64 * 1024


class LineAssembler:
    """Keeps the unfinished line of each source, and hands whole ones to `emit`."""

    def __init__(self, emit: Callable[[Source, bytes], None]) -> None:
        self._emit = emit
        self._rests: dict[Source, bytes] = {}

    def feed(self, source: Source, data: bytes) -> None:
        """Take more of what `source` writes."""
        rest = self._rests.pop(source, b"")
        end = data.rfind(b"\n") + 1
        if end:
            self._hand_on(source, rest + data[:end])
            rest = data[end:]
        else:
            rest += data
        if len(rest) >= LINE_MAX_BYTES:
            cut = _character_boundary(rest)
            self._hand_on(source, rest[:cut])
            rest = rest[cut:]
        if rest:
            self._rests[source] = rest

    def flush(self, execution_id: str | None) -> None:
        """Hand on the unfinished lines of one execution: it has ended."""
        for source in [source for source in self._rests if source[0] == execution_id]:
            self._hand_on(source, self._rests.pop(source))

    def flush_all(self) -> None:
        """Hand on all unfinished lines: nobody is left to end them."""
        for source in list(self._rests):
            self._hand_on(source, self._rests.pop(source))

    def _hand_on(self, source: Source, data: bytes) -> None:
        self._emit(source, data.decode("utf-8", "replace").encode())


def _character_boundary(data: bytes) -> int:
    """Where `data` can be cut at its end without cutting a character."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:  # the first byte of a character of 2, 3 or 4
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(data) - back if length > back else len(data)
    return len(data)
