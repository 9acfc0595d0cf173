"""Who may call an endpoint: the holder of its token, or of an access token."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from starlette.requests import Request

from pipeyard.api.context import (
    Services,
    attempt,
    bearer_token,
    environment_of,
    environment_url,
    reachable_url,
    services_of,
)
from pipeyard.domain.deployments import Deployment
from pipeyard.errors import AuthenticationError

ENDPOINT_SCHEME = "EndpointToken"


@dataclass(frozen=True)
class EndpointCall:
    """A request that was let in."""

    hub: Services
    deployment: Deployment
    environment_url: str  # as the caller reaches it
    token: str | None  # the endpoint token, if that let it in

    @property
    def url(self) -> str:
        """Of the endpoint."""
        return f"{self.environment_url}/endpoints/{self.deployment.endpoint_url_path}"

    @property
    def versioned_url(self) -> str:
        """Of the endpoint with wrapped results."""
        return f"{self.environment_url}/endpoints/v1/{self.deployment.endpoint_url_path}"


async def let_in(request: Request) -> EndpointCall:
    """The endpoint token in the header or in `?token=`, or an access token. Raises AuthenticationError."""
    hub = services_of(request)
    environment = await environment_of(request)
    deployment = await hub.endpoint_paths.get((environment.id, request.path_params["path"]))
    token = _sent_token(request)
    if token is not None:
        with attempt(request, token):
            _check_token(token, deployment)
        return EndpointCall(hub, deployment, environment_url(request), token)
    access_token = bearer_token(request)
    if access_token is None:
        message = "no token: send the header Authorization: EndpointToken <endpoint token>, or ?token= in the URL"
        raise AuthenticationError(message, ENDPOINT_SCHEME)
    with attempt(request, access_token):
        caller = hub.identities.authenticate(access_token)
    caller.check_environment(environment.id)
    return EndpointCall(hub, deployment, reachable_url(request, caller), None)


def _check_token(token: str, deployment: Deployment) -> None:
    if not hmac.compare_digest(token.encode(), (deployment.endpoint_token or "").encode()):
        message = "the endpoint token is wrong, or was replaced by a newer one"
        raise AuthenticationError(message, ENDPOINT_SCHEME, is_guess=True)


def _sent_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == ENDPOINT_SCHEME.lower():
        return token.strip()
    return request.query_params.get("token")
