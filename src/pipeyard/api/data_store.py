"""Routes of the data store. Bytes travel by signed URLs: see `api/signed_content.py`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Place, reachable_url
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import FORM, INSTANT, JSON, MULTIPART, TEXT, WHOLE, array, maybe, operation, record
from pipeyard.api.queries import content_type, read_object, read_whole
from pipeyard.api.uploads import read_form
from pipeyard.clock import to_wire
from pipeyard.domain.generations import generation_of
from pipeyard.domain.names import check_keys
from pipeyard.domain.objects import StoredObject
from pipeyard.services.data_store import PAGE_MAX, PATH, UPLOAD
from pipeyard.wire import CLIENT_HEADER

router = APIRouter(tags=["Data store"])

_OBJECT = record({"path": TEXT, "last_modified": INSTANT, "size": WHOLE})
_URL = record({"signed_url": TEXT})
_UPLOAD = record({"upload_id": TEXT})
_PART = record(
    {PATH: TEXT, UPLOAD: _UPLOAD, "chunk_size": WHOLE, "part_number": WHOLE},
    {"size": WHOLE | {"description": "of the whole object, at the latest with its last part if that is not full"}},
)
_END = record({PATH: TEXT, UPLOAD: _UPLOAD, "parts": array(record({"number": WHOLE}, {"metadata": TEXT}))})
_QUERY = {PATH: TEXT}
_PATH = record({}, {PATH: TEXT})  # not required: it may be in the query
_PATH_BODIES = {FORM: _PATH, JSON: maybe(_PATH)}


@router.get(
    "/data-store/list",
    summary="The objects below a folder",
    **operation(
        {200: ("A page", record({"items": array(_OBJECT), "continuation_token": maybe(TEXT)}))},
        query={"folder_path": TEXT, "continuation_token": TEXT, "limit": WHOLE, "include_continuation_token": TEXT},
    ),
)
async def list_objects(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Everything below it, in the order of the paths, at most 1000 a page. At the end `continuation_token` is null."""
    query = request.query_params
    page, token = await hub.data_store.list(
        environment.id,
        query.get("folder_path"),
        query.get("continuation_token"),
        read_whole(request, "limit", 1, PAGE_MAX, PAGE_MAX),
    )
    return json_answer({"items": [_shape(found) for found in page], "continuation_token": token})


@router.post(
    "/data-store/information",
    summary="One object",
    **operation({200: ("Its size in bytes and its date", _OBJECT)}, bodies=_PATH_BODIES),
)
async def get_information(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """404 when there is none."""
    return json_answer(_shape(await hub.data_store.find(environment.id, await _read_path(request))))


@router.delete(
    "/data-store/delete",
    summary="Delete an object",
    **operation({200: ("Its path", record({"path": TEXT}))}, bodies=_PATH_BODIES, query=_QUERY),
)
async def delete_object(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """The path comes in a form, in JSON or in the query. 404 when there is none."""
    return json_answer({"path": await hub.data_store.delete(environment.id, await _read_path(request))})


@router.post(
    "/data-store/download",
    summary="Where to download an object",
    **operation({200: ("A URL that needs no other token", _URL)}, bodies=_PATH_BODIES, query=_QUERY),
)
async def sign_download(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Whether there is one is said by that URL."""
    path = await _read_path(request)
    url = await hub.data_store.sign_download(environment.id, path, reachable_url(request, caller))
    return json_answer({"signed_url": url})


@router.get(
    "/data-store/upload",
    summary="Where to upload an object",
    **operation({200: ("A URL, and form fields for it", record({"signed_url": TEXT, "fields": {}}))}, query=_QUERY),
)
async def sign_upload(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """The object is POSTed there in a form: first the fields, then the file part `file`."""
    path = request.query_params.get(PATH)
    signed = await hub.data_store.sign_upload(environment.id, path, reachable_url(request, caller))
    return json_answer({"signed_url": signed.url, "fields": signed.fields})


@router.post(
    "/data-store/upload/multipart",
    summary="Begin an upload in parts",
    **operation({200: ("What to send along with each part and with the end", _UPLOAD)}, bodies=_PATH_BODIES),
)
async def start_upload(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """One that is not ended within a day is dropped."""
    return json_answer({"upload_id": await hub.data_store.start_upload(environment.id, await _read_path(request))})


@router.post(
    "/data-store/upload/multipart/part",
    summary="Where to upload one part",
    **operation(
        {200: ("A URL to PUT it to, with these headers", record({"signed_url": TEXT, "headers": {}}))}, body=_PART
    ),
)
async def sign_part(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """A part is `chunk_size` bytes long, unless it is the last one of an object of `size` bytes."""
    fields = await read_object(request)
    url = await hub.data_store.sign_part(environment.id, fields, reachable_url(request, caller))
    return json_answer({"signed_url": url, "headers": {}})


@router.post(
    "/data-store/upload/multipart/end",
    summary="End an upload in parts",
    **operation({200: ("The object", _OBJECT)}, body=_END),
)
async def finish_upload(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """The object appears now, if every part was stored whole; otherwise 400, and the upload can go on."""
    fields = await read_object(request)
    stored = await hub.data_store.finish_upload(environment.id, fields, says_size=_says_size(request))
    return json_answer(_shape(stored))


def _says_size(request: Request) -> bool:
    return generation_of(request.headers.get(CLIENT_HEADER)).says_size_of_uploads


async def _read_path(request: Request) -> Any:
    """The path in JSON, in a form or in the query, whatever the method."""
    if content_type(request) in (FORM, MULTIPART):
        async with read_form(request) as form:
            fields: dict[str, Any] = dict(form.texts)
    else:
        fields = await read_object(request)
    check_keys("", fields, (PATH,))
    return fields.get(PATH, request.query_params.get(PATH))


def _shape(found: StoredObject) -> dict[str, Any]:
    return {"path": found.path, "last_modified": to_wire(found.modified_at), "size": found.size}
