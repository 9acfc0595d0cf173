"""Multipart bodies: their text parts, and their files on disk for as long as the request lasts."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

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
    hub = services_of(request)
    folder = hub.uploads / uuid.uuid4().hex
    try:
        async with _parts(request, hub.settings.values_max_bytes) as parts:
            form = Form([(name, value) for name, value in parts.multi_items() if isinstance(value, str)])
            for name, part in parts.multi_items():
                if not isinstance(part, UploadFile):
                    continue
                if name in form.files:
                    raise InvalidInputError(name, "was sent as a file twice", "one part per file input")
                form.files[name] = folder / str(len(form.files))
                await asyncio.to_thread(_save, part, form.files[name])
        yield form
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


class _Multipart(MultiPartParser):
    """Knows whether the closing boundary came: without it the last part was cut off, and would be lost in silence."""

    is_whole = False

    def on_end(self) -> None:
        """Called at the closing boundary."""
        self.is_whole = True


@asynccontextmanager
async def _parts(request: Request, value_max_bytes: int) -> AsyncIterator[FormData]:
    parts = await _parse(request, value_max_bytes)
    try:
        yield parts
    finally:
        await parts.close()


async def _parse(request: Request, value_max_bytes: int) -> FormData:
    kind = content_type(request)
    limits: dict[str, int] = {"max_fields": PARTS_MAX, "max_part_size": value_max_bytes}
    try:
        async with aclosing(request.stream()) as body:
            if kind == "application/x-www-form-urlencoded":
                return await FormParser(request.headers, body, **limits).parse()
            if kind == "multipart/form-data":
                multipart = _Multipart(request.headers, body, max_files=PARTS_MAX, **limits)
                return await _check_whole(multipart, await multipart.parse())
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


async def _check_whole(multipart: _Multipart, parts: FormData) -> FormData:
    if multipart.is_whole:
        return parts
    await parts.close()
    raise InvalidInputError("body", "ends before the closing boundary of its form", "the whole body")


def _save(part: UploadFile, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        shutil.copyfileobj(part.file, file, 1024 * 1024)
