"""What every route needs: the services, the caller, the environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from pipeyard.domain.pipelines import PipelineDeclaration
from pipeyard.domain.users import Environment
from pipeyard.errors import AuthenticationError, PermissionDeniedError
from pipeyard.services.data_store import DataStoreService
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.endpoint_paths import EndpointPaths
from pipeyard.services.executions import ExecutionService
from pipeyard.services.identities import Caller, IdentityService
from pipeyard.services.pipelines import CodeFolders, PipelineService
from pipeyard.services.remembered import Remembered
from pipeyard.services.variables import VariableService
from pipeyard.settings import Settings


@dataclass(frozen=True)
class Services:
    """All of them, built once in server.py."""

    settings: Settings
    identities: IdentityService
    variables: VariableService
    pipelines: PipelineService
    deployments: DeploymentService
    executions: ExecutionService
    data_store: DataStoreService
    endpoint_paths: EndpointPaths
    environments: Remembered[str, Environment]
    folders: CodeFolders
    uploads: Path
    keep_code: Callable[[Path, Path, Path, PipelineDeclaration], None]  # upload, kept archive, unpacked code
    languages: Callable[[], Awaitable[Any]]
    health: Callable[[], Awaitable[dict[str, Any]]]
    pods_of: Callable[[str], Sequence[tuple[str, str]]]  # by deployment id


def services_of(request: Request) -> Services:
    """The services behind this request."""
    services: Services = request.app.state.services
    return services


async def environment_of(request: Request) -> Environment:
    """The environment that the URL names. Raises NotFoundError."""
    return await services_of(request).environments.get(request.scope["pipeyard.environment"])


def environment_url(request: Request) -> str:
    """The public address of the environment, without a trailing slash."""
    base = services_of(request).settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    prefix: str = request.scope["pipeyard.environment_prefix"]
    return base.rstrip("/") + prefix


def reachable_url(request: Request, caller: Caller) -> str:
    """As `environment_url`; for the code in a pod the address that it has just reached, public or not."""
    if caller.pod_of is None:
        return environment_url(request)
    return f"{request.url.scheme}://{request.url.netloc}{request.scope['pipeyard.environment_prefix']}"


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def caller_of(request: Request) -> Caller:
    """Anyone with an access token: a person, or the code in a pod. Raises AuthenticationError."""
    token = bearer_token(request)
    if token is None:
        raise AuthenticationError("no access token: send the header Authorization: Bearer <access token>")
    return services_of(request).identities.authenticate(token)


def person_of(request: Request) -> Caller:
    """A person. Raises PermissionDeniedError for the code in a pod."""
    caller = caller_of(request)
    if caller.pod_of is not None:
        raise PermissionDeniedError(
            "the code of an execution may read, record, use variables and trigger endpoints, but not change pipelines "
            "and deployments"
        )
    return caller


Hub = Annotated[Services, Depends(services_of)]
Place = Annotated[Environment, Depends(environment_of)]
AnyCaller = Annotated[Caller, Depends(caller_of)]
Person = Annotated[Caller, Depends(person_of)]
