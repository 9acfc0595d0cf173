"""The one map from errors to HTTP. Every error answer, the framework's own included, has the body of wire.md 1.4."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from pipeyard import errors
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import ERROR, Answer
from pipeyard.api.xml_answers import xml_error
from pipeyard.disk_troubles import describe_trouble
from pipeyard.wire import SIGNED_CONTENT_PATH

logger = logging.getLogger(__name__)

# The first match along the class's ancestors counts.
STATUS_CODES: dict[type[errors.PipeyardError], int] = {
    errors.InvalidInputError: 400,
    errors.AuthenticationError: 401,
    errors.PermissionDeniedError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.TooLargeError: 413,
    errors.CreationFailedError: 422,
    errors.QueueFullError: 429,
    errors.TooManyAttemptsError: 429,
    errors.UnavailableError: 503,
    errors.ExecutionEndedError: 500,
    errors.PipeyardError: 500,
}
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_FRAMEWORK_NAMES = {
    404: "NotFound",
    405: "MethodNotAllowed",
    412: "PreconditionFailed",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    416: "InvalidRange",
}

# For OpenAPI: the body of every error, in place of the framework's own.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": Answer("What was wrong, and what is allowed", ERROR).describe(),
    "503": Answer("Nothing can be stored at present: why, and when to come back", ERROR).describe(),
}


def error_answer(request: Request, error: errors.PipeyardError) -> Response:
    """The answer for one of our own errors."""
    status_code = next(STATUS_CODES[kind] for kind in type(error).__mro__ if kind in STATUS_CODES)
    headers = {}
    if isinstance(error, errors.QueueFullError | errors.TooManyAttemptsError | errors.UnavailableError):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.AuthenticationError):
        headers["WWW-Authenticate"] = error.scheme
    return _answer(request, status_code, error.name, error.message, error.additional_data, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Replace the framework's bodies by ours."""

    @app.exception_handler(errors.PipeyardError)
    async def _ours(request: Request, error: errors.PipeyardError) -> Response:
        return error_answer(request, error)

    @app.exception_handler(HTTPException)
    async def _framework(request: Request, error: HTTPException) -> Response:
        name = _FRAMEWORK_NAMES.get(error.status_code, "InvalidInput")
        message = str(error.detail)
        if error.status_code == 404:
            message = f"there is no {request.method} {request.url.path} here"
        headers = dict(error.headers or {})
        if error.status_code == 405:
            # The framework looks no further than the first route of that path.
            headers["Allow"] = ", ".join(_allowed_methods(request))
            message = f"{request.method} is not allowed on {request.url.path}; allowed: {headers['Allow']}"
        return _answer(request, error.status_code, name, message, {}, headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return _answer(request, 400, "InvalidInput", f"{field}: {first['msg']}", {"field": field}, {})

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: ClientDisconnect) -> Response:
        return _answer(request, 400, "InvalidInput", "body: the caller hung up before its end", {}, {})

    @app.exception_handler(OSError)
    async def _disk(request: Request, error: OSError) -> Response:
        """Of code archives, objects and uploads, which are files."""
        trouble = describe_trouble(error)
        if trouble is None:
            raise error
        logger.error("a request could not be stored: %s (%s)", trouble, error)
        return error_answer(request, errors.DiskError(trouble))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        message = "the platform failed; the server's log has the details under this request id"
        return _answer(request, 500, "InternalError", message, {}, {})


def _allowed_methods(request: Request) -> list[str]:
    def serves(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in _METHODS if serves(method)]


def _answer(
    request: Request, status_code: int, name: str, message: str, additional_data: Any, headers: dict[str, str]
) -> Response:
    request_id = request.scope.get("pipeyard.request_id", "NO_REQUEST_ID")
    if request.scope["path"] == SIGNED_CONTENT_PATH:
        return xml_error(name, message, request_id, status_code, headers)
    body: dict[str, Any] = {"name": name, "message": message, "request_id": request_id}
    if additional_data:
        body["additional_data"] = additional_data
    return json_answer(body, status_code, headers)
