"""The data store as files in a folder of this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from pipeyard.data_store.durable_files import DurableFiles
from pipeyard.data_store.part_folders import PartFolders
from pipeyard.data_store.trees import describe, folder_of, place_of, walk
from pipeyard.domain.objects import Access, Part, SignedRequest, StoredObject
from pipeyard.errors import NotFoundError

CHUNK_BYTES = 1024 * 1024


class LocalDataStore:
    """Objects are files below `root`; an object appears by a rename, so it is never seen half."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._objects.mkdir(parents=True, exist_ok=True)
        self._files = DurableFiles(self._objects, root / "incoming")
        self._parts = PartFolders(root / "uploads", self._files)

    async def take(self, path: str, file: Path) -> int:
        """See `ports.DataStore.take`."""
        size = file.stat().st_size
        await asyncio.to_thread(self._files.take, file, place_of(self._objects, path))
        return size

    async def copy(self, path: str, target: str) -> bool:
        """See `ports.DataStore.copy`. Both share their bytes on disk: an object is replaced, never changed."""
        return await asyncio.to_thread(self._files.link, place_of(self._objects, path), place_of(self._objects, target))

    async def find(self, path: str) -> StoredObject | None:
        """See `ports.DataStore.find`."""
        try:
            return describe(path, await asyncio.to_thread(place_of(self._objects, path).stat))
        except FileNotFoundError:
            return None

    async def list(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """See `ports.DataStore.list`."""
        found = walk(folder_of(self._objects, prefix), prefix, after)
        return await asyncio.to_thread(lambda: [*islice(found, limit)])

    async def read(self, path: str, start: int = 0, stop: int | None = None, etag: str = "") -> AsyncIterator[bytes]:
        """See `ports.DataStore.read`."""
        try:
            file = await asyncio.to_thread(place_of(self._objects, path).open, "rb")
        except FileNotFoundError:
            raise NotFoundError("object", path) from None
        with file:
            about = describe(path, os.fstat(file.fileno()))
            if etag not in ("", about.etag):
                raise NotFoundError("object", path)
            left = (about.size if stop is None else stop) - start
            file.seek(start)
            while left > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk

    async def delete(self, path: str) -> bool:
        """Whether it existed."""
        return await asyncio.to_thread(self._files.remove, place_of(self._objects, path))

    async def delete_folder(self, prefix: str) -> None:
        """Everything below. Idempotent."""
        await asyncio.to_thread(shutil.rmtree, folder_of(self._objects, prefix), ignore_errors=True)

    async def start_upload(self, path: str) -> str:
        """See `ports.DataStore.start_upload`."""
        place_of(self._objects, path)
        return await asyncio.to_thread(self._parts.start)

    async def take_part(self, path: str, upload_id: str, number: int, file: Path) -> str:
        """Store a local file as a part, in place of an earlier one of that number. Its ETag."""
        return await asyncio.to_thread(self._parts.take, upload_id, number, file)

    async def list_parts(self, path: str, upload_id: str) -> Sequence[Part]:
        """In the order of their numbers."""
        return await asyncio.to_thread(self._parts.list, upload_id)

    async def finish_upload(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        """See `ports.DataStore.finish_upload`."""
        await asyncio.to_thread(self._parts.join, upload_id, parts, place_of(self._objects, path))

    async def sweep_uploads(self, before: datetime) -> None:
        """Remove uploads to which nothing was added since."""
        await asyncio.to_thread(self._parts.sweep, before)

    async def sign(self, access: Access, ttl_s: int) -> SignedRequest | None:
        """Files on a disk have no URL."""
        return None
