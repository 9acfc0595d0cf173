"""Files as users give them: paths, bytes, readable and writable objects."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from pipeyard.sdk.calls import FilePart

Source = str | os.PathLike[str] | IO[bytes]
Destination = str | os.PathLike[str] | IO[bytes]
FileValue = bytes | bytearray | memoryview | os.PathLike[str] | IO[bytes]

_IN_MEMORY_MAX = 1_000_000  # bytes of a copy of what can be read only once; beyond it the copy is on disk


def is_file_value(value: Any) -> bool:
    """Whether a value can only be meant as a file."""
    return isinstance(value, (bytes, bytearray, memoryview, os.PathLike)) or hasattr(value, "read")


@contextmanager
def opened(files: Mapping[str, FileValue]) -> Iterator[list[FilePart]]:
    """The parts of a form, each at its beginning. Raises ValueError naming the one that is no binary file, OSError."""
    with ExitStack() as stack:
        # The file is called as the input: names of local files may have characters that no form can carry.
        yield [(name, (name, stack.enter_context(_open(f'input "{name}"', value)))) for name, value in files.items()]


class Reader(io.RawIOBase):
    """A file as it is read, from the beginning again where it is sent again. It does not own the file.

    It has no `fileno`: that of a decompressed file would tell the size of the compressed one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


@contextmanager
def _open(what: str, value: FileValue | str) -> Iterator[IO[bytes]]:
    """What can be read more than once. Of what the user opened, the user closes it."""
    if isinstance(value, (str, os.PathLike)):
        with Path(value).open("rb") as file:
            yield cast("IO[bytes]", Reader(file))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        yield io.BytesIO(value)
    else:
        _check_binary(what, value)
        with _rewound(value) as rewound:
            yield cast("IO[bytes]", Reader(rewound))


def _check_binary(what: str, value: Any) -> None:
    if not callable(getattr(value, "read", None)):
        allowed = "a path, bytes or an object with read()"
        raise ValueError(f"{what} cannot be sent as a file: it is of type {type(value).__name__}; allowed: {allowed}")
    if _is_text(value):
        raise ValueError(f'{what} was opened in text mode; open it in binary mode: open(path, "rb")')


@contextmanager
def _rewound(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """At its beginning; a copy of what can be read only once, so that a request can be sent again."""
    if _is_seekable(file):
        file.seek(0)
        yield file
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_MAX) as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield cast("IO[bytes]", copy)


def _is_text(file: Any) -> bool:
    """Opened in text mode, also within a wrapper such as that of named temporary files."""
    mode = getattr(file, "mode", "b")
    return isinstance(file, io.TextIOBase) or (
        not isinstance(file, io.IOBase) and isinstance(mode, str) and "b" not in mode
    )


def _is_seekable(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    return bool(seekable()) if callable(seekable) else hasattr(file, "seek")


@dataclass(frozen=True)
class Content:
    """What is uploaded."""

    file: IO[bytes]
    size: int
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def part_sizes(self, part_size: int) -> list[int]:
        """Of all parts in order; one empty part of nothing."""
        whole, rest = divmod(self.size, part_size)
        return [part_size] * whole + ([rest] if rest or not whole else [])

    def read_part(self, start: int, size: int) -> bytes:
        """So many bytes from there, also when several parts are read at once. Raises OSError when it has shrunk."""
        with self._reading:
            self.file.seek(start)
            data = self.file.read(size)
        if len(data) != size:
            raise OSError("'filepath_or_buffer' became shorter while it was read")
        return data


@contextmanager
def content_of(source: Source) -> Iterator[Content]:
    """A path or a readable object, from its beginning. Raises ValueError, OSError."""
    with _open("'filepath_or_buffer'", source) as file:
        yield Content(file, size_of(file))


def size_of(file: IO[bytes]) -> int:
    """In bytes; the file stands at its beginning afterwards."""
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.seek(0)
    return size


@contextmanager
def destination_of(destination: Destination) -> Iterator[IO[bytes]]:
    """Where a download is written: a file that takes its place when all has come, or the user's object, rewound then.

    Raises ValueError, OSError.
    """
    if isinstance(destination, (str, os.PathLike)):
        with _replaced(Path(destination)) as file:
            yield file
        return
    if not callable(getattr(destination, "write", None)):
        kind = type(destination).__name__
        raise ValueError(f"'filepath_or_buffer' must be a path or an object with write(), it is of type {kind}")
    if _is_text(destination):
        raise ValueError("'filepath_or_buffer' was opened in text mode; open it in binary mode: open(path, \"wb\")")
    yield destination
    if _is_seekable(destination):
        destination.seek(0)


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
        with path.open("wb") as device:
            yield device
        return
    path = Path(os.path.realpath(path))  # a link stays one
    partial = path.with_name(f".pipeyard-{uuid.uuid4().hex[:8]}.part")
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    try:
        with open(
            partial, "xb", opener=lambda name, flags: os.open(name, flags, 0o666 if mode is None else mode)
        ) as file:
            if mode is not None:
                partial.chmod(mode)  # in spite of the umask
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
