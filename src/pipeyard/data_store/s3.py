"""The data store in a bucket of S3, or of anything that speaks its protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session, get_session
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import S3Store

from pipeyard.domain.objects import Access, Part, SignedRequest, StoredObject, check_key
from pipeyard.errors import InvalidInputError, NotFoundError, SettingsError, UnavailableError

if TYPE_CHECKING:
    from obstore import GetOptions  # exists for type checkers alone

logger = logging.getLogger(__name__)

CHUNK_BYTES = 8 * 1024 * 1024
READ_BYTES = 1024 * 1024
PARTS_AT_ONCE = 3  # that many chunks of one file are in memory
CONNECT_TIMEOUT_S = 5
RETRIES_MAX_S = 10.0  # a blip is not seen; without a bound callers would be held for minutes while S3 is away
DEFAULT_REGION = "us-east-1"
_GONE = ("NoSuchUpload", "NoSuchKey")
_REFUSED_PARTS = ("InvalidPart", "InvalidPartOrder", "EntityTooSmall")


class S3DataStore:
    """obstore moves bytes; botocore signs forms and keeps account of uploads in parts."""

    def __init__(self, store: S3Store, client: Any, bucket: str, prefix: str) -> None:
        self._store = store
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    def open(cls, url: str) -> S3DataStore:
        """The bucket and prefix of an `s3://` URL; all else comes from the AWS_* variables. Raises SettingsError."""
        place = urlsplit(url)
        prefix = f"{place.path.strip('/')}/" if place.path.strip("/") else ""
        session = get_session()
        try:
            client = _client(session)
            client.head_bucket(Bucket=place.netloc)
        except (BotoCoreError, ClientError) as error:
            raise SettingsError(
                f"data_store_url: the bucket {place.netloc} cannot be used: {error}; see the variables "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"
            ) from error
        endpoint: str = client.meta.endpoint_url
        store = S3Store(
            place.netloc,
            endpoint=endpoint,
            region=client.meta.region_name,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
            },
            retry_config={"retry_timeout": timedelta(seconds=RETRIES_MAX_S)},
            credential_provider=Boto3CredentialProvider(session),
        )
        return cls(store, client, place.netloc, prefix)

    async def take(self, path: str, file: Path) -> int:
        """See `ports.DataStore.take`."""
        size = file.stat().st_size
        with _told(path):
            await obstore.put_async(
                self._store, self._key(path), file, chunk_size=CHUNK_BYTES, max_concurrency=PARTS_AT_ONCE
            )
        file.unlink()
        return size

    async def copy(self, path: str, target: str) -> bool:
        """See `ports.DataStore.copy`."""
        try:
            with _told(path):
                await obstore.copy_async(self._store, self._key(path), self._key(target))
        except NotFoundError:
            return False
        return True

    async def find(self, path: str) -> StoredObject | None:
        """See `ports.DataStore.find`."""
        try:
            with _told(path):
                return self._describe(await obstore.head_async(self._store, self._key(path)))
        except NotFoundError:
            return None

    async def list(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """See `ports.DataStore.list`."""
        found: list[StoredObject] = []
        start = f"{self._prefix}{after}" if after else None
        with _told(prefix):
            async for page in obstore.list(self._store, prefix=self._folder(prefix), offset=start, chunk_size=limit):
                found += map(self._describe, page)
                if len(found) >= limit:
                    break
        return found[:limit]

    async def read(self, path: str, start: int = 0, stop: int | None = None, etag: str = "") -> AsyncIterator[bytes]:
        """See `ports.DataStore.read`."""
        options: GetOptions = {"if_match": etag} if etag else {}
        if stop is not None:
            options["range"] = (start, stop)
        elif start:
            options["range"] = {"offset": start}
        with _told(path):
            answer = await obstore.get_async(self._store, self._key(path), options=options)
            async for chunk in answer.stream(READ_BYTES):
                yield bytes(chunk)

    async def delete(self, path: str) -> bool:
        """Whether it existed."""
        if await self.find(path) is None:
            return False
        with _told(path):
            await obstore.delete_async(self._store, self._key(path))
        return True

    async def delete_folder(self, prefix: str) -> None:
        """Everything below. Idempotent."""
        with _told(prefix):
            async for page in obstore.list(self._store, prefix=self._folder(prefix)):
                await obstore.delete_async(self._store, [found["path"] for found in page])

    async def start_upload(self, path: str) -> str:
        """See `ports.DataStore.start_upload`."""
        answer = await self._call("create_multipart_upload", path)
        upload_id: str = answer["UploadId"]
        return upload_id

    async def take_part(self, path: str, upload_id: str, number: int, file: Path) -> str:
        """Store a local file as a part, in place of an earlier one of that number. Its ETag."""
        with file.open("rb") as body:
            answer = await self._call("upload_part", path, UploadId=upload_id, PartNumber=number, Body=body)
        file.unlink()
        etag: str = answer["ETag"]
        return etag

    async def list_parts(self, path: str, upload_id: str) -> Sequence[Part]:
        """In the order of their numbers."""
        parts: list[Part] = []
        marker: dict[str, Any] = {}
        while True:
            page = await self._call("list_parts", path, UploadId=upload_id, **marker)
            parts += [Part(part["PartNumber"], part["Size"], part["ETag"]) for part in page.get("Parts", ())]
            if not page.get("IsTruncated"):
                return parts
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    async def finish_upload(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        """See `ports.DataStore.finish_upload`."""
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        await self._call("complete_multipart_upload", path, UploadId=upload_id, MultipartUpload={"Parts": listed})

    async def sweep_uploads(self, before: datetime) -> None:
        """Abort uploads that were started before."""
        pages = self._client.get_paginator("list_multipart_uploads")
        request = pages.paginate(Bucket=self._bucket, Prefix=self._prefix)
        with _told(self._prefix):
            found = await asyncio.to_thread(lambda: [upload for page in request for upload in page.get("Uploads", ())])
        for upload in found:
            if upload["Initiated"] < before:
                path = upload["Key"].removeprefix(self._prefix)
                await self._call("abort_multipart_upload", path, UploadId=upload["UploadId"])

    async def sign(self, access: Access, ttl_s: int) -> SignedRequest | None:
        """See `ports.DataStore.sign`."""
        with _told(access.key):  # credentials may have to be fetched
            return await self._sign(access, self._key(access.key), ttl_s)

    async def _sign(self, access: Access, key: str, ttl_s: int) -> SignedRequest:
        if access.kind == "read":
            url = await obstore.sign_async(self._store, "GET", key, timedelta(seconds=ttl_s))
            return SignedRequest(url, {})
        if access.kind == "write":
            limits: list[Any] = [["content-length-range", 0, access.size]]
            form = await asyncio.to_thread(
                self._client.generate_presigned_post, self._bucket, key, Conditions=limits, ExpiresIn=ttl_s
            )
            return SignedRequest(form["url"], form["fields"])
        part = {"UploadId": access.upload_id, "PartNumber": access.number, "ContentLength": access.size}
        url = await asyncio.to_thread(
            self._client.generate_presigned_url,
            "upload_part",
            Params={"Bucket": self._bucket, "Key": key} | part,
            ExpiresIn=ttl_s,
        )
        return SignedRequest(url, {})

    async def _call(self, operation: str, path: str, **parameters: Any) -> Any:
        """One of botocore's, which knows threads alone."""
        call = getattr(self._client, operation)
        with _told(path):
            return await asyncio.to_thread(call, Bucket=self._bucket, Key=self._key(path), **parameters)

    def _key(self, path: str) -> str:
        check_key(path)
        return f"{self._prefix}{path}"

    def _folder(self, prefix: str) -> str | None:
        return f"{self._prefix}{prefix}" or None

    def _describe(self, found: Any) -> StoredObject:
        path = found["path"].removeprefix(self._prefix)
        return StoredObject(path, found["size"], found["last_modified"], found["e_tag"])


def _client(session: Session) -> Any:
    region = session.get_config_variable("region") or DEFAULT_REGION
    # Checksums in trailers are news to many stores that are not Amazon's.
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        connect_timeout=CONNECT_TIMEOUT_S,
    )
    return session.create_client("s3", region_name=region, config=config)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Their errors as ours. What they say of endpoint, bucket and credentials is for the log alone."""
    try:
        yield
    except (FileNotFoundError, PreconditionError):
        raise NotFoundError("object", path) from None
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code in _GONE:
            raise NotFoundError("upload", path) from None
        if code in _REFUSED_PARTS:
            raise InvalidInputError("parts", f"the store refuses them: {message}") from None
        raise _unavailable(path, error) from None
    except (BaseError, BotoCoreError) as error:
        raise _unavailable(path, error) from None


def _unavailable(path: str, error: Exception) -> UnavailableError:
    logger.error("S3 refused, or cannot be reached, for %s: %s", path, str(error).splitlines()[0])
    return UnavailableError("the data store cannot be used for now; try again, and if it lasts see the server's log")
