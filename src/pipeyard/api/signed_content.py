"""The signed URLs of our own server: a download with ranges, an upload by form, a part of an upload, an archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from pipeyard.api.context import Hub, Services, attempt
from pipeyard.api.operations import BYTES, FILE, MULTIPART, TEXT, Answer, Json, operation, record
from pipeyard.api.ranges import check_etag, read_range
from pipeyard.api.uploads import read_body, read_form
from pipeyard.api.xml_answers import XML_RESPONSES
from pipeyard.domain.objects import Access, AccessKind, StoredObject
from pipeyard.errors import InvalidInputError, NotFoundError
from pipeyard.wire import API_PREFIX, SIGNED_CONTENT_PATH

router = APIRouter(tags=["Data store"])
_PATH = SIGNED_CONTENT_PATH.removeprefix(API_PREFIX)
_FILE_FIELD = "file"
# Never shown by a browser as a page of ours, whatever is in it.
_NO_PAGE = {"X-Content-Type-Options": "nosniff"}


def _operation(
    answers: Mapping[int, Answer | tuple[str, Json | None]], bodies: Mapping[str, Json] | None = None
) -> dict[str, Any]:
    """As `operation`, with a token in the query and errors in XML."""
    described = operation(answers, bodies=bodies, query={"token": TEXT})
    return described | {"responses": described["responses"] | XML_RESPONSES}


@router.get(
    _PATH,
    summary="An object or a pipeline's code, for a signed URL",
    **_operation(
        {
            200: Answer("Its bytes", content={BYTES: FILE}),
            206: Answer("The bytes of the range", content={BYTES: FILE}),
            304: ("It still has that ETag", None),
        },
    ),
)
async def download(request: Request, hub: Hub) -> Response:
    """One range at a time; `If-None-Match`, `If-Match` and `If-Range` with its ETag. Errors are XML, as those of S3."""
    access = _access(request, hub, "read", "archive")
    if access.kind == "archive":
        return _archive(hub, access.key)
    while True:
        found = await hub.data_store.open(access)
        headers = _headers(found)
        if check_etag(request, found.etag):
            return Response(status_code=304, headers=headers)
        span = read_range(request, found)
        start, stop = span or (0, found.size)
        headers["Content-Length"] = str(stop - start)
        if span is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
        status = 200 if span is None else 206
        if request.method == "HEAD" or start == stop:
            return Response(status_code=status, headers=headers, media_type=BYTES)
        try:
            content = await _begun(hub.data_store.read(access, found, start, stop))
        except NotFoundError:
            continue  # replaced or deleted between the two looks at it
        return StreamingResponse(content, status, headers, media_type=BYTES)


@router.head(
    _PATH,
    summary="An object without its bytes",
    **_operation(
        {200: ("Its headers", None), 206: ("Those of the range", None), 304: ("It still has that ETag", None)}
    ),
)
async def look(request: Request, hub: Hub) -> Response:
    """The headers of a download. Errors are XML, as those of S3."""
    return await download(request, hub)


@router.post(
    _PATH,
    summary="Upload an object, for a signed URL",
    **_operation({204: ("Stored", None)}, bodies={MULTIPART: record({_FILE_FIELD: FILE})}),
)
async def upload(request: Request, hub: Hub) -> Response:
    """A form with the file part `file`. Errors are XML, as those of S3."""
    access = _access(request, hub, "write")
    async with read_form(request) as form:
        if _FILE_FIELD not in form.files:
            raise InvalidInputError(_FILE_FIELD, "is missing", "a form with a part of that name that has a file name")
        await hub.data_store.store(access, form.files[_FILE_FIELD])
    return Response(status_code=204)


@router.put(
    _PATH,
    summary="Upload one part, for a signed URL",
    **_operation({200: ("Stored; its ETag is in the header", None)}, bodies={BYTES: FILE}),
)
async def upload_part(request: Request, hub: Hub) -> Response:
    """Exactly as many bytes as were announced. Errors are XML, as those of S3."""
    access = _access(request, hub, "part")
    async with read_body(request, access.size) as file:
        etag = await hub.data_store.store_part(access, file)
    return Response(status_code=200, headers={"ETag": etag})


def _access(request: Request, hub: Services, *kinds: AccessKind) -> Access:
    token = request.query_params.get("token", "")
    with attempt(request, token):
        return hub.data_store.urls.read(token, *kinds)


def _archive(hub: Services, pipeline_id: str) -> Response:
    """The gzip tar as it was uploaded."""
    place = hub.folders.archive(pipeline_id)
    try:
        about = place.stat()
    except FileNotFoundError:
        raise NotFoundError("pipeline", pipeline_id, "the pipeline was deleted, and its code with it") from None
    return FileResponse(place, headers=_NO_PAGE, media_type=BYTES, filename=place.name, stat_result=about)


def _headers(found: StoredObject) -> dict[str, str]:
    name = quote(found.path.rpartition("/")[2], safe="")
    return {
        "ETag": found.etag,
        "Last-Modified": format_datetime(found.modified_at, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        **_NO_PAGE,
    }


async def _begun(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, the first of them read already: an error comes before the status is sent."""
    first = await anext(content)

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in content:
            yield chunk

    return whole()
