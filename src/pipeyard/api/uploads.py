"""Bodies with files: on disk, and there for as long as the request lasts."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from pipeyard.api.context import services_of
from pipeyard.api.queries import content_type
from pipeyard.domain.names import shown
from pipeyard.errors import InvalidInputError, TooLargeError

PARTS_MAX = 10_000


@dataclass(frozen=True)
class Form:
    """A decoded form: text parts in wire order, and files by part name."""

    texts: list[tuple[str, str]]
    files: dict[str, Path] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The last part of that name."""
        return dict(self.texts).get(name)


@asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[Form]:
    """Decode a urlencoded or multipart body. A part with a file name is a file, whatever it is called.

    Raises InvalidInputError for two files of one name and a broken body, TooLargeError for a value beyond the limit.
    """
    async with _folder(request) as folder:
        parts = await _parse(request, services_of(request).settings.values_max_bytes, folder)
        form = Form([(name, value) for name, value in parts.multi_items() if isinstance(value, str)])
        for name, part in parts.multi_items():
            if not isinstance(part, UploadFile):
                continue
            if name in form.files:
                raise InvalidInputError(name, "was sent as a file twice", "one part per file input")
            form.files[name] = cast(PlacedFile, part.file).place
        yield form


@asynccontextmanager
async def read_body(request: Request, size: int) -> AsyncIterator[Path]:
    """The bytes of the body as a file. Raises InvalidInputError unless there are exactly that many."""
    async with _folder(request) as folder:
        place, received = folder / "body", 0
        folder.mkdir(parents=True)
        with place.open("wb") as file:
            async for chunk in request.stream():
                received += len(chunk)
                if received > size:
                    break
                await asyncio.to_thread(file.write, chunk)
        if received != size:
            amount = "more" if received > size else received
            raise InvalidInputError("body", f"has {amount} bytes instead of the {size} announced", f"{size} bytes")
        yield place


@asynccontextmanager
async def _folder(request: Request) -> AsyncIterator[Path]:
    """Made when the first file needs it, gone with the request. Raises DiskError before anything is read."""
    services_of(request).disk.check()
    folder = services_of(request).uploads / uuid.uuid4().hex
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@dataclass(frozen=True)
class PlacedFile:
    """What the bytes of a part are written to. It holds no descriptor: a form may have thousands of parts."""

    place: Path

    def write(self, chunk: bytes) -> None:
        """The next bytes."""
        with self.place.open("ab", buffering=0) as file:
            file.write(chunk)

    def seek(self, offset: int) -> None:
        """Called at the end of the part: an empty file is a file too."""
        self.place.touch()

    def close(self) -> None:
        """Nothing is open."""


class _Multipart(MultiPartParser):
    """Writes files where they are kept, instead of to a spool from which they would be copied there.

    Knows whether the closing boundary came: without it the last part was cut off, and would be lost in silence.
    """

    is_whole = False
    folder: Path

    def on_headers_finished(self) -> None:
        """Called before the content of each part."""
        super().on_headers_finished()
        part = self._current_part.file
        if part is not None:
            part.file.close()
            self.folder.mkdir(parents=True, exist_ok=True)
            part.file = cast(BinaryIO, PlacedFile(self.folder / str(self._current_files)))

    def on_end(self) -> None:
        """Called at the closing boundary."""
        self.is_whole = True


async def _parse(request: Request, value_max_bytes: int, folder: Path) -> FormData:
    kind = content_type(request)
    limits: dict[str, int] = {"max_fields": PARTS_MAX, "max_part_size": value_max_bytes}
    try:
        async with aclosing(request.stream()) as body:
            if kind == "application/x-www-form-urlencoded":
                return await FormParser(request.headers, body, **limits).parse()
            if kind == "multipart/form-data":
                multipart = _Multipart(request.headers, body, max_files=PARTS_MAX, **limits)
                multipart.folder = folder
                return _check_whole(multipart, await multipart.parse())
    except MultiPartException as error:
        if "maximum size" in error.message:
            raise TooLargeError(
                f"body: a value is larger than the limit of {value_max_bytes} bytes; send large data as file inputs "
                "(values_max_bytes is the setting)"
            ) from None
        raise InvalidInputError("body", error.message, "a form") from None
    except UnicodeError:  # of the codecs that a part may name, some raise whatever they read
        raise InvalidInputError("Content-Type", "names a charset that text cannot be read with", "utf-8") from None
    if await request.body():
        raise InvalidInputError(
            "Content-Type", f"{shown(kind)} is no form", "application/x-www-form-urlencoded, multipart/form-data"
        )
    return FormData()


def _check_whole(multipart: _Multipart, parts: FormData) -> FormData:
    if multipart.is_whole:
        return parts
    raise InvalidInputError("body", "ends before the closing boundary of its form", "the whole body")
