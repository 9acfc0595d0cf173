"""The route of the figures for Prometheus."""

from __future__ import annotations

import asyncio
import hmac

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AccessToken, Hub, attempt, bearer_token, services_of
from pipeyard.api.operations import TEXT, Answer, operation
from pipeyard.errors import PermissionDeniedError

router = APIRouter(tags=["Monitoring"])


class WatchToken(AccessToken):
    """The token of the setting `metrics_token`, or a person's access token."""

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Raises AuthenticationError, PermissionDeniedError."""
        allowed, given = services_of(request).settings.metrics_token, bearer_token(request)
        if allowed and given is not None and hmac.compare_digest(given.encode(), allowed.encode()):
            with attempt(request, given):  # a right guess, too, comes after too many wrong ones
                return
        holder = await super().__call__(request)
        if holder.pod_of is not None:
            raise PermissionDeniedError("the figures of the server are not for the code in a pod")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    dependencies=[Depends(WatchToken())],
    **operation({200: Answer("In its text format", content={"text/plain": TEXT})}),
)
async def get_metrics(hub: Hub) -> Response:
    """Of the server, for all its environments."""
    content, content_type = await asyncio.to_thread(hub.meters.render, hub.load())
    return Response(content, media_type=content_type)
