"""How far a download has come, and whether what comes now continues it."""

from __future__ import annotations

from typing import IO

import httpx

from pipeyard.sdk.display import Task
from pipeyard.sdk.errors import SdkException


class Resumed:
    """The state of one download over several connections."""

    def __init__(self, file: IO[bytes], task: Task) -> None:
        self.position = 0  # bytes written
        self._file = file
        self._task = task
        self._etag: str | None = None
        self._skipped = 0  # bytes still to come that were written before

    @property
    def headers(self) -> dict[str, str]:
        """What to ask for now."""
        headers = {"Accept-Encoding": "identity"}
        if self.position and self._etag is not None:
            headers |= {"Range": f"bytes={self.position}-", "If-Range": self._etag}
        return headers

    def begin(self, response: httpx.Response) -> None:
        """An answer has begun. Raises SdkException when it does not continue what was written."""
        etag = response.headers.get("ETag")
        if not self.position:
            self._etag = etag
            size = response.headers.get("Content-Length", "")
            self._task.expect(int(size) if size.isdigit() else None)
        elif self._etag is None or etag != self._etag:
            raise SdkException("the connection was lost, and the object may have changed since: download it again")
        is_rest = response.status_code == httpx.codes.PARTIAL_CONTENT
        self._skipped = 0 if is_rest else self.position

    def write(self, chunk: bytes) -> None:
        """What came, without what was written before."""
        if self._skipped:
            already, chunk = chunk[: self._skipped], chunk[self._skipped :]
            self._skipped -= len(already)
        self._file.write(chunk)
        self.position += len(chunk)
        self._task.advance(len(chunk))
