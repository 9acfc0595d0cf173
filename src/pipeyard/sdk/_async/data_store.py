"""The data store: upload, download, list, delete. Contents are streamed, never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pipeyard.sdk._async.downloads import download
from pipeyard.sdk._async.effects import run_blocking, run_few
from pipeyard.sdk._async.endpoints import AsyncEndpoints
from pipeyard.sdk.answers import raise_for_store_error
from pipeyard.sdk.calls import Call
from pipeyard.sdk.files import Content, Destination, Source, content_of
from pipeyard.sdk.results import record, records, with_size
from pipeyard.sdk.shapes import DataStoreObject, DeletedObject

PARTS_AT_ONCE = 4  # of an upload in parts; as many parts are in memory


class AsyncDataStore(AsyncEndpoints):
    """What a user can ask of the data store."""

    async def upload_data_store_object(self, filepath_or_buffer: Source, object_path_in_datastore: str) -> None:
        """Upload a file; an object that is there is replaced.

        Args:
            filepath_or_buffer: A path (text or `pathlib.Path`), or an object with `read()` that was opened in binary
                mode. It is read from its beginning, wherever it stands.
            object_path_in_datastore: Where it goes.

        Contents of `multipart_threshold_b` bytes and more go in parts of `multipart_part_size_b` bytes, a few at once.

        Raises:
            ValueError: not readable, or opened in text mode. FileNotFoundError, OSError. SdkException.
        """
        with content_of(filepath_or_buffer) as content:
            if content.size < self.multipart_threshold_b:
                await self._upload_whole(content, object_path_in_datastore)
            else:
                await self._upload_parts(content, object_path_in_datastore)

    async def _upload_whole(self, content: Content, path: str) -> None:
        answer = await self._http.ask(Call("GET", self._url("data-store", "upload"), {"path_to_object": path}))
        with self._display.reading(f"Uploading {path}", content.file) as watched:
            call = Call(
                "POST",
                answer["signed_url"],
                form={name: str(value) for name, value in answer["fields"].items()},
                files=[("file", ("file", watched))],
                authorization=None,
                is_repeatable=True,  # an object is replaced
            )
            raise_for_store_error(await self._http.send(call))

    async def _upload_parts(self, content: Content, path: str) -> None:
        base = self._url("data-store", "upload", "multipart")
        part_size = self.multipart_part_size_b
        upload: dict[str, Any] = {"path_to_object": path}
        upload["multipart_upload_configuration"] = await self._http.ask(Call("POST", base, json=upload))
        sizes = content.part_sizes(part_size)
        parts: dict[int, dict[str, Any]] = {}
        with self._display.task(f"Uploading {path}", content.size) as task:

            async def send(number: int) -> None:
                data = await run_blocking(content.read_part, (number - 1) * part_size, sizes[number - 1])
                part = {**upload, "part_number": number, "chunk_size": part_size}
                if number == len(sizes):
                    part["size"] = content.size
                parts[number] = await self._send_part(f"{base}/part", part, data)
                task.advance(len(data))

            await run_few(send, range(1, len(sizes) + 1), PARTS_AT_ONCE)
        await self._http.ask(Call("POST", f"{base}/end", json={**upload, "parts": [parts[n] for n in sorted(parts)]}))

    async def _send_part(self, url: str, part: dict[str, Any], data: bytes) -> dict[str, Any]:
        """What the end of the upload says of the part."""
        # To ask for a place twice does no harm: a part of that number is replaced.
        place = await self._http.ask(Call("POST", url, json=part, is_repeatable=True))
        headers = place.get("headers") or {}
        call = Call("PUT", place["signed_url"], content=data, headers=headers, authorization=None)
        response = await self._http.send(call)
        raise_for_store_error(response)
        etag = response.headers.get("ETag")
        return {"number": part["part_number"]} | ({} if etag is None else {"metadata": etag})

    async def download_data_store_object(self, object_path_in_datastore: str, filepath_or_buffer: Destination) -> None:
        """Download an object.

        Args:
            object_path_in_datastore: Where it is.
            filepath_or_buffer: A path (text or `pathlib.Path`) to save it to, which is replaced when all of it has
                come; or an object with `write()` that was opened in binary mode, which stands at its beginning
                afterwards.

        A connection that is lost in between is taken up again where it was lost.

        Raises:
            ValueError: not writable, or opened in text mode. OSError. NotFoundError, SdkException.
        """
        call = Call(
            "POST",
            self._url("data-store", "download"),
            form={"path_to_object": object_path_in_datastore},
            is_repeatable=True,
        )
        answer = await self._http.ask(call)
        with self._display.task(f"Downloading {object_path_in_datastore}") as task:
            await download(self._http, answer["signed_url"], filepath_or_buffer, task)

    async def get_data_store_object_information(self, object_path_in_datastore: str) -> DataStoreObject:
        """One object: `path`, `last_modified`, and `size` as text such as "1.50 KB", in powers of 1024.

        Raises NotFoundError, SdkException.
        """
        call = Call(
            "POST",
            self._url("data-store", "information"),
            json={"path_to_object": object_path_in_datastore},
            is_repeatable=True,
        )
        return record(DataStoreObject, with_size(await self._http.ask(call)))

    async def iter_data_store_objects(self, folder_path: str | None = None) -> AsyncIterator[DataStoreObject]:
        """The objects of the data store, or of a folder in it, one by one: see `list_data_store_objects`."""
        query: dict[str, str] = {"folder_path": folder_path} if folder_path else {}
        while True:
            page = await self._http.ask(Call("GET", self._url("data-store", "list"), query))
            for item in page["items"]:
                yield record(DataStoreObject, with_size(item))
            if not page.get("continuation_token"):
                return
            query = {**query, "continuation_token": page["continuation_token"]}

    async def list_data_store_objects(self, folder_path: str | None = None) -> list[DataStoreObject]:
        """All objects of the data store, or of a folder in it, with those in folders below.

        Args:
            folder_path: The folder; all of the data store without one.

        Returns:
            Objects with `path`, `last_modified`, `size_bytes`, and `size` as text such as "1.50 KB", in powers of 1024.

        Raises:
            SdkException.
        """
        return records(DataStoreObject, [item async for item in self.iter_data_store_objects(folder_path)])

    async def delete_data_store_object(self, object_path_in_datastore: str) -> DeletedObject:
        """Delete an object. Returns its `path`. Raises NotFoundError, SdkException."""
        form = {"path_to_object": object_path_in_datastore}
        deleted = await self._http.ask(Call("DELETE", self._url("data-store", "delete"), form=form))
        return record(DeletedObject, deleted)
