"""Input files: written as their chunks arrive, removed when their execution has ended."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class InputFiles:
    """The files of the executions to come, below one folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._problems: dict[str, str] = {}

    def write(self, header: dict[str, Any], chunk: bytes) -> None:
        """Write a chunk. A problem is kept for the start of the execution: the server is not the one to hear it."""
        execution_id = header["execution_id"]
        path = self.path(execution_id, header["name"])
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                view, offset = memoryview(chunk), header["offset"]
                while view:
                    written = os.pwrite(descriptor, view, offset)
                    view, offset = view[written:], offset + written
            finally:
                os.close(descriptor)
        except OSError as error:
            self._problems[execution_id] = f'the input file "{header["name"]}" cannot be written: {error.strerror}'

    def path(self, execution_id: str, name: str) -> str:
        """Where the input `name` lies."""
        return os.path.join(self._folder, _file_name(execution_id), _file_name(name))

    def problem(self, execution_id: str) -> str | None:
        """Why the files of this execution are not complete, if they are not."""
        return self._problems.get(execution_id)

    def remove(self, execution_id: str) -> None:
        """The execution has ended."""
        self._problems.pop(execution_id, None)
        folder = os.path.join(self._folder, _file_name(execution_id))
        try:
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)
        except OSError:
            pass  # there are none, or user code has put things of its own there: they go with the pod


def _file_name(name: str) -> str:
    return name.replace("/", "_") if name.strip(".") else "_"
