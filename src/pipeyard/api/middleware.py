"""Plain ASGI layers: request ids, environments by URL prefix, limits on bodies."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeyard import clock
from pipeyard.errors import TooLargeError
from pipeyard.ports import Meters
from pipeyard.services.installation import DEFAULT_ENVIRONMENT
from pipeyard.settings import Settings
from pipeyard.wire import API_PREFIX, SIGNED_CONTENT_PATH

access_log = logging.getLogger("pipeyard.access")

_PREFIX = re.compile(r"/environments/([^/]+)(?=/)")
_TAKES_FILES = re.compile(
    rf"{API_PREFIX}/(pipelines/[^/]+/run|deployments/[^/]+/executions)|/endpoints/[^/]+|{SIGNED_CONTENT_PATH}"
)
_SLACK_BYTES = 1_000_000  # form fields and boundaries beside what is limited


class RequestIds:
    """Each request gets an id: in the scope, in error bodies, in a header, and in the access log if there is one."""

    def __init__(self, app: ASGIApp, *, is_logged: bool) -> None:
        self._app = app
        self._is_logged = is_logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["pipeyard.request_id"] = secrets.token_hex(8)
        raw_path = scope["raw_path"]  # as it was sent: what is within changes it

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                if self._is_logged:
                    _log(scope, raw_path, message["status"], request_id)
            await send(message)

        await self._app(scope, receive, send_with_id)


def _log(scope: Scope, raw_path: bytes, status: int, request_id: str) -> None:
    """Never the query, which may be a token. The path is still encoded, so a line stays a line."""
    address = scope["client"][0] if scope["client"] else "-"
    access_log.info(
        '%s "%s %s" %d %s', address, scope["method"], raw_path.decode("ascii", "replace"), status, request_id
    )


class RequestMeters:
    """Counts and times requests by their route, as it is declared: never by what a caller has put into a URL."""

    def __init__(self, app: ASGIApp, meters: Meters, routes: Mapping[Any, str]) -> None:
        """`routes`: the path of each endpoint function."""
        self._app = app
        self._meters = meters
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = clock.monotonic_s()

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = self._routes.get(scope.get("endpoint"), "unmatched")
                self._meters.request_ended(scope["method"], route, message["status"], clock.monotonic_s() - began_s)
            await send(message)

        await self._app(scope, receive, send_and_count)


class EnvironmentPrefix:
    """`/environments/NAME/...` is the environment NAME; without the prefix it is `default`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            match = _PREFIX.match(scope["path"])
            # The control API has a route of its own below /api/v1/environments: only the bare prefix counts.
            scope["pipeyard.environment"] = match[1] if match else DEFAULT_ENVIRONMENT
            scope["pipeyard.environment_prefix"] = match[0] if match else ""
            if match:
                scope["path"] = scope["path"][match.end() :]
                scope["raw_path"] = scope["path"].encode()
        await self._app(scope, receive, send)


class BodyLimit:
    """Stops reading a body that is larger than anything allowed at its URL."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        most, hint = self._limit(scope)
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise TooLargeError(f"the body is larger than the limit of {most} bytes; {hint}")
            return message

        await self._app(scope, receive_limited, send)

    def _limit(self, scope: Scope) -> tuple[int, str]:
        settings = self._settings
        if scope["path"] == f"{API_PREFIX}/pipelines":
            hint = "leave data out of included_folders (archive_max_bytes is the setting)"
            return settings.archive_max_bytes + _SLACK_BYTES, hint
        content_type = next((value for key, value in scope["headers"] if key == b"content-type"), b"")
        is_part = scope["method"] == "PUT" and scope["path"] == SIGNED_CONTENT_PATH
        # Forms elsewhere are small, and JSON is read into memory whatever its type says.
        is_form = content_type.lower().startswith(b"multipart/form-data") and _TAKES_FILES.fullmatch(scope["path"])
        if is_part or is_form:
            return settings.file_max_bytes + _SLACK_BYTES, "file_max_bytes is the setting"
        hint = "send large data as file inputs, multipart/form-data (values_max_bytes is the setting)"
        return settings.values_max_bytes + _SLACK_BYTES, hint
