"""The first start of an installation: its environment, its user, its token."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from pipeyard import clock
from pipeyard.domain.users import Environment, User
from pipeyard.errors import NotFoundError
from pipeyard.services.identities import hash_token, new_sdk_token
from pipeyard.store_ports import Store

DEFAULT_ENVIRONMENT = "default"
FIRST_USER = ("pipeyard", "owner@localhost")


async def ensure_environment(store: Store) -> Environment:
    """The environment that the bare address names."""
    environment = await store.get_environment(DEFAULT_ENVIRONMENT)
    if environment is None:
        environment = Environment(uuid.uuid4().hex, DEFAULT_ENVIRONMENT, clock.now())
        await store.add_environment(environment)
    return environment


def find_environment(store: Store) -> Callable[[str], Awaitable[Environment]]:
    """The environment of a name; raises NotFoundError."""

    async def find(name: str) -> Environment:
        environment = await store.get_environment(name)
        if environment is None:
            raise NotFoundError("environment", name)
        return environment

    return find


def find_environment_url(store: Store, url: str) -> Callable[[str], Awaitable[str]]:
    """The address of an environment by its id, on the server at `url`; raises NotFoundError."""

    async def find(environment_id: str) -> str:
        for environment in await store.list_environments():
            if environment.id == environment_id:
                is_default = environment.name == DEFAULT_ENVIRONMENT
                return url if is_default else f"{url}/environments/{environment.name}"
        raise NotFoundError("environment", environment_id)

    return find


async def ensure_owner(store: Store, kept_token: str | None) -> str:
    """An SDK token that works: the one that was kept, or that of a new user."""
    if kept_token is not None and await store.find_user_by_token(hash_token(kept_token)) is not None:
        return kept_token
    token = new_sdk_token()
    name, email = FIRST_USER
    await store.add_user(User(str(uuid.uuid4()), name, email), hash_token(token), clock.now())
    return token
