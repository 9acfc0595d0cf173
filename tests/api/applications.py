"""The application without a server: its routes and its description."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI

from pipeyard.api.app import create_app
from pipeyard.api.context import Services
from pipeyard.monitoring.prometheus import PrometheusMeters
from pipeyard.settings import Settings


def bare_application(settings: Settings | None = None, **services: Any) -> FastAPI:
    """As a server has it, but with nothing behind it but these services."""
    behind = {"settings": settings or Settings(), "meters": PrometheusMeters()} | services
    return create_app(cast(Services, SimpleNamespace(**behind)))
