"""Which deployment stands behind an endpoint's URL, in memory: a call reads no table for it."""

from __future__ import annotations

from pipeyard.domain.deployments import Deployment
from pipeyard.errors import NotFoundError
from pipeyard.services.remembered import Remembered
from pipeyard.store_ports import DeploymentStore

# By (environment id, endpoint_url_path).
EndpointPaths = Remembered[tuple[str, str], Deployment]


def endpoint_paths(store: DeploymentStore) -> EndpointPaths:
    """`get` raises NotFoundError for a path without a deployment."""

    async def find(key: tuple[str, str]) -> Deployment:
        deployment = await store.find_deployment_by_path(*key)
        if deployment is None:
            raise NotFoundError("endpoint", key[1])
        return deployment

    return Remembered(find)
