"""The application: routes, error bodies and layers put together."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi_offline import FastAPIOffline

import pipeyard
from pipeyard.api import (
    control,
    data_store,
    deployments,
    environment,
    executions,
    metrics,
    monitoring,
    pipelines,
    projects,
    resource_usage,
    signed_content,
    steps,
    templates,
)
from pipeyard.api.context import Services
from pipeyard.api.endpoints import ROUTES
from pipeyard.api.errors import RESPONSES, add_error_handlers
from pipeyard.api.middleware import BodyLimit, EnvironmentPrefix, RequestIds, RequestMeters
from pipeyard.api.openapi import describe, operation_id
from pipeyard.wire import API_PREFIX

# Each with a `router` below API_PREFIX.
MODULES = (
    control,
    environment,
    projects,
    templates,
    pipelines,
    executions,
    deployments,
    data_store,
    signed_content,
    metrics,
    resource_usage,
    steps,
)


def create_app(services: Services) -> FastAPI:
    """The ASGI application of one server."""
    app = FastAPIOffline(
        title="Pipeyard",
        version=pipeyard.__version__,
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
        responses=RESPONSES,
        generate_unique_id_function=operation_id,
    )
    app.state.services = services
    for module in MODULES:
        app.include_router(module.router, prefix=API_PREFIX)
    app.include_router(monitoring.router)
    app.router.routes[:0] = ROUTES  # first: the hot path is matched without a look at the others
    describe(app)
    add_error_handlers(app)
    # Added last is outermost: RequestMeters, RequestIds, then the prefix, then the limit.
    app.add_middleware(BodyLimit, settings=services.settings)
    app.add_middleware(EnvironmentPrefix)
    app.add_middleware(RequestIds, is_logged=services.settings.access_log)
    routes = {one.endpoint: one.path for one in iter_route_contexts(app.routes) if one.endpoint and one.path}
    app.add_middleware(RequestMeters, meters=services.meters, routes=routes)
    return app
