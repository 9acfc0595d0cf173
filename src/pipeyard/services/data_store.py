"""The data store as users see it: the objects of one environment, and URLs to send and fetch them by."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeyard.domain.names import check_keys
from pipeyard.domain.objects import (
    Access,
    SignedRequest,
    StoredObject,
    check_folder_path,
    check_object_path,
    object_key,
)
from pipeyard.domain.part_uploads import PartUpload
from pipeyard.errors import InvalidInputError, NotFoundError, TooLargeError
from pipeyard.ports import DataStore
from pipeyard.services.signed_urls import SignedUrls
from pipeyard.services.upload_ledger import UploadLedger

PATH, UPLOAD = "path_to_object", "multipart_upload_configuration"
PAGE_MAX = 1000


@dataclass(frozen=True)
class DataStoreService:
    """What a user, or the code in a pod, can ask of the data store."""

    files: DataStore
    urls: SignedUrls
    ledger: UploadLedger
    object_max_bytes: int
    # Between the reading and the writing of what is known of an upload no other change of it may come.
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, environment_id: str, path: object) -> StoredObject:
        """Raises NotFoundError."""
        name = check_object_path(PATH, path)
        found = await self.files.find(object_key(environment_id, name))
        if found is None:
            raise NotFoundError("object", name)
        return replace(found, path=name)

    async def list(
        self, environment_id: str, folder: object, token: str | None, most: int
    ) -> tuple[Sequence[StoredObject], str | None]:
        """A page of the objects below a folder, in the order of their paths, and what continues it (None: the end)."""
        prefix = object_key(environment_id, check_folder_path("folder_path", folder))
        root = object_key(environment_id, "")
        after = f"{root}{_read_token(token)}" if token else ""
        found = await self.files.list(prefix, after, most + 1)
        page = [replace(one, path=one.path.removeprefix(root)) for one in found[:most]]
        return page, _write_token(page[-1].path) if len(found) > most else None

    async def delete(self, environment_id: str, path: object) -> str:
        """The path. Raises NotFoundError."""
        name = check_object_path(PATH, path)
        if not await self.files.delete(object_key(environment_id, name)):
            raise NotFoundError("object", name)
        return name

    async def sign_download(self, environment_id: str, path: object, base_url: str) -> str:
        """A URL that gives the object, or says in its own form that there is none."""
        access = Access("read", object_key(environment_id, check_object_path(PATH, path)))
        return (await self._sign(access, base_url)).url

    async def sign_upload(self, environment_id: str, path: object, base_url: str) -> SignedRequest:
        """Where to send a form with the object in its last part, `file`."""
        key = object_key(environment_id, check_object_path(PATH, path))
        return await self._sign(Access("write", key, self.object_max_bytes), base_url)

    async def start_upload(self, environment_id: str, path: object) -> str:
        """The id of an upload in parts."""
        key = object_key(environment_id, check_object_path(PATH, path))
        return await asyncio.to_thread(self.ledger.add, PartUpload(key, await self.files.start_upload(key)))

    async def sign_part(self, environment_id: str, fields: Mapping[str, Any], base_url: str) -> str:
        """Where to PUT one part, which then has to have the length that was announced."""
        async with self._changing:
            upload_id, upload = self._upload(environment_id, fields, "chunk_size", "part_number", "size")
            announced = upload.announce(fields, self.object_max_bytes)
            await asyncio.to_thread(self.ledger.write, upload_id, announced)
        number: int = fields["part_number"]
        access = Access("part", announced.key, announced.part_size(number), announced.store_id, number)
        return (await self._sign(access, base_url)).url

    async def finish_upload(self, environment_id: str, fields: Mapping[str, Any], *, says_size: bool) -> StoredObject:
        """The object, once every part is found to be there. `says_size`: see `PartUpload.check_end`."""
        upload_id, upload = self._upload(environment_id, fields, "parts")
        stored = await self.files.list_parts(upload.key, upload.store_id)
        upload.check_end(fields.get("parts"), stored, says_size=says_size)
        await self.files.finish_upload(upload.key, upload.store_id, stored)
        async with self._changing:
            self.ledger.remove(upload_id)
        return await self.find(environment_id, fields[PATH])

    def _upload(self, environment_id: str, fields: Mapping[str, Any], *others: str) -> tuple[str, PartUpload]:
        check_keys("", fields, (PATH, UPLOAD, *others))
        key = object_key(environment_id, check_object_path(PATH, fields.get(PATH)))
        upload = fields.get(UPLOAD)
        upload_id = upload.get("upload_id") if isinstance(upload, dict) else upload
        return str(upload_id), self.ledger.read(upload_id, key)

    async def _sign(self, access: Access, base_url: str) -> SignedRequest:
        direct = await self.files.sign(access, self.urls.ttl_s)
        return direct or SignedRequest(self.urls.sign(access, base_url), {})

    # --- behind the URLs of our own server ---

    async def open(self, access: Access) -> StoredObject:
        """What a signed URL reads. Raises NotFoundError."""
        found = await self.files.find(access.key)
        if found is None:
            raise NotFoundError("object", _user_path(access.key))
        return replace(found, path=_user_path(access.key))

    def read(self, access: Access, found: StoredObject, start: int, stop: int) -> AsyncIterator[bytes]:
        """Its bytes. Raises NotFoundError when it is not the one that was found any more."""
        return self.files.read(access.key, start, stop, found.etag)

    async def store(self, access: Access, file: Path) -> None:
        """Keep what was sent to a signed URL. Raises TooLargeError."""
        size = file.stat().st_size
        if size > access.size:
            raise TooLargeError(f"file: {size} bytes, the limit is {access.size} (file_max_bytes is the setting)")
        await self.files.take(access.key, file)

    async def store_part(self, access: Access, file: Path) -> str:
        """Keep a part that was sent to a signed URL; its ETag. Raises NotFoundError when its upload is over."""
        return await self.files.take_part(access.key, access.upload_id, access.number, file)

    async def sweep(self, before: datetime) -> None:
        """Drop uploads in parts that were begun and not ended."""
        self.ledger.sweep(before)
        await self.files.sweep_uploads(before)


def _user_path(key: str) -> str:
    return key.split("/", 2)[2]


def _write_token(path: str) -> str:
    return base64.urlsafe_b64encode(path.encode()).decode()


def _read_token(token: str) -> str:
    """The path of the last object of the page before. Raises InvalidInputError."""
    try:
        return check_object_path("continuation_token", base64.b64decode(token, b"-_", validate=True).decode())
    except (ValueError, InvalidInputError):
        allowed = "the continuation_token of the page before"
        raise InvalidInputError("continuation_token", "is not one of this server", allowed) from None
