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
from pipeyard.errors import NotFoundError


class PartFolders:
    """A part's file is called after its number and the hash of its content."""

    def __init__(self, root: Path, files: DurableFiles) -> None:
        self._root = root
        self._files = files
        root.mkdir(parents=True, exist_ok=True)

    def start(self) -> str:
        """The id of a new upload."""
        upload_id = uuid.uuid4().hex
        (self._root / upload_id).mkdir()
        return upload_id

    def take(self, upload_id: str, number: int, file: Path) -> str:
        """Move a file there as a part; the ETag. An earlier one of that number goes. Raises NotFoundError."""
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        folder = self._root / upload_id
        place = folder / _file_name(number, digest)
        with _existing(upload_id):
            file.replace(place)
        for other in folder.glob(f"{number:05}-*"):
            if other != place:
                other.unlink(missing_ok=True)
        return f'"{digest}"'

    def list(self, upload_id: str) -> Sequence[Part]:
        """In the order of their numbers. Raises NotFoundError."""
        with _existing(upload_id):
            # One that is being replaced may be there twice.
            parts = {part.number: part for part in map(_part, sorted((self._root / upload_id).iterdir()))}
            return list(parts.values())

    def join(self, upload_id: str, parts: Sequence[Part], place: Path) -> None:
        """Put the parts there as one file. Raises NotFoundError."""
        folder, claimed, whole = self._root / upload_id, self._files.temporary(), self._files.temporary()
        with _existing(upload_id):
            folder.rename(claimed)  # from here on no part is replaced, and no second end finds it
        try:
            with whole.open("wb") as target:
                for part in parts:
                    _append(claimed / _file_name(part.number, part.etag), target.fileno())
            self._files.take(whole, place)
        except BaseException:
            whole.unlink(missing_ok=True)
            claimed.rename(folder)
            raise
        shutil.rmtree(claimed, ignore_errors=True)

    def sweep(self, before: datetime) -> None:
        """Remove uploads to which nothing was added since."""
        for folder in self._root.iterdir():
            with contextlib.suppress(FileNotFoundError):  # ended meanwhile
                if folder.stat().st_mtime < before.timestamp():
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _existing(upload_id: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError("upload", upload_id) from None


def _file_name(number: int, etag: str) -> str:
    return f"{number:05}-{etag}".replace('"', "")


def _part(file: Path) -> Part:
    number, _, digest = file.name.partition("-")
    return Part(int(number), file.stat().st_size, f'"{digest}"')


def _append(file: Path, target: int) -> None:
    """In the kernel: no byte passes through our memory."""
    with file.open("rb") as source:
        while os.sendfile(target, source.fileno(), None, 1 << 30):
            pass
