"""The data store as files in a folder of this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from pipeyard.errors import InvalidInputError, NotFoundError

CHUNK_BYTES = 256 * 1024


class LocalDataStore:
    """Objects are files below `root`; an object appears by a rename, so it is never seen half."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    async def take(self, path: str, file: Path) -> int:
        """See `ports.DataStore.take`."""
        return await asyncio.to_thread(self._take, self._place(path), file)

    async def size(self, path: str) -> int | None:
        """Bytes, None when there is no such object."""
        return await asyncio.to_thread(_size, self._place(path))

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """See `ports.DataStore.read`."""
        place = self._place(path)
        try:
            file = await asyncio.to_thread(place.open, "rb")
        except (FileNotFoundError, IsADirectoryError):
            raise NotFoundError("object", path) from None
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def delete(self, path: str) -> bool:
        """Whether it existed."""
        return await asyncio.to_thread(_delete, self._place(path))

    async def delete_folder(self, prefix: str) -> None:
        """Everything below. Idempotent."""
        await asyncio.to_thread(shutil.rmtree, self._place(prefix.rstrip("/")), ignore_errors=True)

    def _place(self, path: str) -> Path:
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts):
            raise InvalidInputError(
                "path", f"{path[:200]!r} is not usable", "names joined by single slashes, no . or .."
            )
        return self._root.joinpath(*parts)

    def _take(self, place: Path, file: Path) -> int:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            _sync(file)
            file.replace(place)
        except OSError:
            # Another file system: copy beside the place, then rename there.
            beside = place.with_name(f".{place.name}.part")
            shutil.copyfile(file, beside)
            _sync(beside)
            beside.replace(place)
            file.unlink()
        self._sync_folders(place.parent)
        return place.stat().st_size

    def _sync_folders(self, folder: Path) -> None:
        """The names must survive power loss too, up to the root: new folders lie on the way."""
        while True:
            _sync(folder)
            if folder == self._root:
                return
            folder = folder.parent


def _size(place: Path) -> int | None:
    try:
        return place.stat().st_size if place.is_file() else None
    except OSError:
        return None


def _delete(place: Path) -> bool:
    try:
        place.unlink()
    except FileNotFoundError:
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
