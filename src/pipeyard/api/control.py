"""The control API: tokens and users."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import Hub, TokenHolder, attempt
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import TEXT, operation, record
from pipeyard.api.queries import read_object
from pipeyard.domain.names import check_free_text
from pipeyard.domain.users import User
from pipeyard.errors import InvalidInputError

router = APIRouter(tags=["Control"])

_USER = record({"id": TEXT, "name": TEXT, "email": TEXT})


@router.post(
    "/auth/refresh",
    summary="Exchange an SDK token for an access token",
    **operation(
        {200: ("A JWT with the claims iat and exp", record({"access_token": TEXT}))},
        body={"type": "object", "required": ["refresh_token"], "properties": {"refresh_token": TEXT}},
    ),
)
async def refresh_access_token(request: Request, hub: Hub) -> Response:
    """`{"refresh_token": SDK token}` to `{"access_token": JWT}`. The SDK token stays valid."""
    token = (await read_object(request)).get("refresh_token")
    if token is None or token == "":
        raise InvalidInputError("refresh_token", "is missing", "the SDK token")
    sdk_token = check_free_text("refresh_token", token)
    with attempt(request, sdk_token):
        return json_answer({"access_token": await hub.identities.refresh(sdk_token)})


@router.get("/users/me", summary="The user of the access token", **operation({200: ("The user", _USER)}))
async def get_me(hub: Hub, caller: TokenHolder) -> Response:
    """Id, name and e-mail address."""
    return json_answer(_shape(await hub.identities.get_user(caller.user_id)))


@router.get("/users/{user_id}", summary="A user by id", **operation({200: ("The user", _USER)}))
async def get_user(user_id: str, hub: Hub, caller: TokenHolder) -> Response:
    """Id, name and e-mail address; resolves every `created_by`."""
    return json_answer(_shape(await hub.identities.get_user(user_id)))


@router.get(
    "/environments/{environment_id}/vector-database",
    summary="The vector database of an environment",
    **operation({200: ("Its address and token", record({"vector_database_url": TEXT, "vector_database_token": TEXT}))}),
)
async def get_vector_database(environment_id: str, hub: Hub, caller: TokenHolder) -> Response:
    """Its url, without port and path, and the token that it takes; not found when the operator has configured none."""
    url, token = await hub.vector_database.get(environment_id)
    return json_answer({"vector_database_url": url, "vector_database_token": token})


def _shape(user: User) -> dict[str, str]:
    return {"id": user.id, "name": user.name, "email": user.email}
