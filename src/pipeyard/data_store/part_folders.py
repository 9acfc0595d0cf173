"""Uploads in parts on this machine: a folder per upload, a file per part, joined at the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from pipeyard.data_store.durable_files import DurableFiles
from pipeyard.domain.objects import Part
from pipeyard.durability import sync
from pipeyard.errors import InvalidInputError, NotFoundError

_HASH_BYTES = 16
_JOINING = ".joining"


class PartFolders:
    """A part's file is called after its number. The hash of its content stands at its end: one rename replaces both."""

    def __init__(self, root: Path, files: DurableFiles) -> None:
        self._root = root
        self._files = files
        root.mkdir(parents=True, exist_ok=True)
        for claimed in root.glob(f"*{_JOINING}"):  # by an earlier server, which did not come to the end
            claimed.rename(claimed.with_suffix(""))

    def start(self) -> str:
        """The id of a new upload."""
        upload_id = uuid.uuid4().hex
        (self._root / upload_id).mkdir()
        sync(self._root)
        return upload_id

    def take(self, upload_id: str, number: int, file: Path) -> str:
        """Move a file there as a part, in place of an earlier one of that number; the ETag. Raises NotFoundError."""
        with file.open("rb+") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
            content.write(digest.digest())  # it was read to its end
        sync(file)
        folder = self._root / upload_id
        with _existing(upload_id):
            file.replace(folder / _file_name(number))
            sync(folder)
        return f'"{digest.hexdigest()}"'

    def list(self, upload_id: str) -> Sequence[Part]:
        """In the order of their numbers. Raises NotFoundError."""
        with _existing(upload_id):
            # Parts of an earlier version have other names: they are sent again.
            return [_read_part(file) for file in sorted((self._root / upload_id).iterdir()) if file.name.isdigit()]

    def join(self, upload_id: str, parts: Sequence[Part], place: Path) -> None:
        """Put the parts there as one file. Raises NotFoundError, and InvalidInputError when one was replaced."""
        folder, whole = self._root / upload_id, self._files.temporary()
        claimed = folder.with_suffix(_JOINING)
        with _existing(upload_id):
            folder.rename(claimed)  # from here on no part is replaced, and no second end finds it
        try:
            with whole.open("wb") as target:
                for part in parts:
                    _append(claimed / _file_name(part.number), part, target.fileno())
            self._files.take(whole, place)
        except BaseException:
            whole.unlink(missing_ok=True)
            claimed.rename(folder)
            raise
        self._remove(claimed)

    def sweep(self, before: datetime) -> None:
        """Remove uploads to which nothing was added since."""
        for folder in self._root.iterdir():
            with contextlib.suppress(FileNotFoundError):  # ended meanwhile
                if folder.suffix != _JOINING and folder.stat().st_mtime < before.timestamp():
                    self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """At once for everybody: no upload is ever seen with some of its parts gone."""
        removed = self._files.temporary()
        folder.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


@contextlib.contextmanager
def _existing(upload_id: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError("upload", upload_id) from None


def _file_name(number: int) -> str:
    return f"{number:05}"


def _read_part(file: Path) -> Part:
    with file.open("rb") as content:
        size = content.seek(-_HASH_BYTES, os.SEEK_END)
        return Part(int(file.name), size, f'"{content.read().hex()}"')


def _append(file: Path, part: Part, target: int) -> None:
    """In the kernel: no byte passes through our memory. Raises InvalidInputError when it is another part by now."""
    if not file.exists() or _read_part(file) != part:
        problem = f"part {part.number} was sent again while the upload was ended"
        raise InvalidInputError("parts", problem, "ending it again, with the ETags of the parts that are there now")
    start = 0
    with file.open("rb") as source:
        while start < part.size:
            start += os.sendfile(target, source.fileno(), start, part.size - start)
