"""A gzip stream that gives no more bytes than were allowed: a bomb ends while it is read, not after."""

from __future__ import annotations

import gzip
import zlib
from typing import BinaryIO

from pipeyard.errors import InvalidInputError


class BoundedGzip:
    """The unpacked bytes of a gzip file. `allow` says how many more may be read."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._gzip = gzip.GzipFile(fileobj=file, mode="rb")
        self._read_bytes = 0
        self._most_bytes = most_bytes
        self._allowed_bytes = 0

    def allow(self, more_bytes: int) -> None:
        """Let at least `more_bytes` be read from here on, within the whole."""
        self._allowed_bytes = min(max(self._allowed_bytes, self._read_bytes + more_bytes), self._most_bytes)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes. Raises InvalidInputError beyond what was allowed."""
        left = self._allowed_bytes - self._read_bytes
        if left <= 0:
            raise InvalidInputError(
                "step_file", "spends too many bytes on the description of its members", "a plain tar"
            )
        try:
            chunk = self._gzip.read(left if size < 0 else min(size, left))
        except zlib.error as error:
            # tarfile would take it for the end of what it can read.
            raise EOFError(str(error)) from error
        self._read_bytes += len(chunk)
        return chunk
