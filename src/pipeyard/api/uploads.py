"""Multipart bodies: their text parts, and their files on disk for as long as the request lasts."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request

from pipeyard.api.context import services_of
from pipeyard.errors import InvalidInputError

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

    Raises InvalidInputError for two files of one name; the framework's own 400 for a broken body.
    """
    hub = services_of(request)
    folder = hub.uploads / uuid.uuid4().hex
    try:
        async with request.form(
            max_files=PARTS_MAX, max_fields=PARTS_MAX, max_part_size=hub.settings.values_max_bytes
        ) as parts:
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


def _save(part: UploadFile, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        shutil.copyfileobj(part.file, file, 1024 * 1024)
