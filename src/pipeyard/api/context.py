"""What every route needs: the services, the caller, the environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from pipeyard.api.token_attempts import Attempt, address_of
from pipeyard.domain.loads import Load
from pipeyard.domain.users import Environment
from pipeyard.errors import AuthenticationError, PermissionDeniedError
from pipeyard.ports import Meters
from pipeyard.services.code_folders import CodeFolders
from pipeyard.services.data_store import DataStoreService
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.disk_watch import DiskWatch
from pipeyard.services.endpoint_paths import EndpointPaths
from pipeyard.services.executions import ExecutionService
from pipeyard.services.fires import FireService
from pipeyard.services.identities import Caller, IdentityService
from pipeyard.services.metrics import MetricService
from pipeyard.services.origins import Origins
from pipeyard.services.pipelines import PipelineService
from pipeyard.services.projects import ProjectService
from pipeyard.services.remembered import Remembered
from pipeyard.services.resource_usage import ResourceUsageService
from pipeyard.services.templates import TemplateService
from pipeyard.services.token_attempts import TokenAttempts
from pipeyard.services.variables import VariableService
from pipeyard.services.vector_databases import VectorDatabaseService
from pipeyard.settings import Settings


@dataclass(frozen=True)
class Services:
    """All of them, built once in server.py."""

    settings: Settings
    identities: IdentityService
    token_attempts: TokenAttempts
    variables: VariableService
    pipelines: PipelineService
    deployments: DeploymentService
    executions: ExecutionService
    fires: FireService
    metrics: MetricService
    resource_usage: ResourceUsageService
    data_store: DataStoreService
    endpoint_paths: EndpointPaths
    environments: Remembered[str, Environment]
    origins: Origins
    projects: ProjectService
    templates: TemplateService
    vector_database: VectorDatabaseService
    folders: CodeFolders
    uploads: Path
    languages: Callable[[], Awaitable[Any]]
    disk: DiskWatch
    health: Callable[[], Awaitable[dict[str, Any]]]
    pods_of: Callable[[str], Sequence[tuple[str, str]]]  # by deployment id
    pending_reason: Callable[[str, str | None], str]  # by the ids of execution and deployment
    lack: Callable[[str], str | None]  # by deployment id
    meters: Meters
    load: Callable[[], Load]


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


def attempt(request: Request, token: str) -> Attempt:
    """`with attempt(request, token):` around each look at a token. Raises TooManyAttemptsError before it."""
    hub = services_of(request)
    address = address_of(request, is_behind_proxy=bool(hub.settings.public_url))
    return Attempt(hub.token_attempts, address, token)


class AccessToken(SecurityBase):
    """Who holds the access token of the request. By this class OpenAPI sees which routes need one."""

    model = HTTPBearer(description="from POST /api/v1/auth/refresh")
    scheme_name = "access_token"

    async def __call__(self, request: Request) -> Caller:
        """Raises AuthenticationError."""
        token = bearer_token(request)
        if token is None:
            raise AuthenticationError("no access token: send the header Authorization: Bearer <access token>")
        with attempt(request, token):
            return services_of(request).identities.authenticate(token)


Hub = Annotated[Services, Depends(services_of)]
Place = Annotated[Environment, Depends(environment_of)]
TokenHolder = Annotated[Caller, Depends(AccessToken())]


async def caller_of(holder: TokenHolder, environment: Place) -> Caller:
    """A person, or the code in a pod of this environment. Raises PermissionDeniedError."""
    holder.check_environment(environment.id)
    return holder


AnyCaller = Annotated[Caller, Depends(caller_of)]


async def person_of(request: Request, caller: AnyCaller) -> Caller:
    """A person. Raises PermissionDeniedError for the code in a pod."""
    if caller.pod_of is not None:
        raise PermissionDeniedError(
            f"{request.method} {request.url.path} is not for the code in a pod, which may read, record metrics of its "
            "own executions, use the data store and the environment variables, and trigger endpoints and deployments"
        )
    return caller


Person = Annotated[Caller, Depends(person_of)]
