"""The description of the API: complete, readable, and open to everybody."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipeyard.api.app import MODULES
from pipeyard.wire import API_PREFIX
from tests.platforms import Platform


@pytest.fixture(scope="module")
def openapi(platform: Platform) -> dict[str, Any]:
    answer = httpx.get(f"{platform.url}/api/openapi.json")
    assert answer.status_code == 200
    description: dict[str, Any] = answer.json()
    return description


def test_the_documentation_is_there(platform: Platform) -> None:
    answer = httpx.get(f"{platform.url}/api/docs")
    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]
    assert "/api/openapi.json" in answer.text


def test_every_route_is_listed(openapi: dict[str, Any]) -> None:
    listed = {(method.upper(), path) for path, methods in openapi["paths"].items() for method in methods}
    there = {
        (method, f"{API_PREFIX}{route.path}")
        for module in MODULES
        for route in module.router.routes
        for method in route.methods
    }
    assert there <= listed
    assert len(there) > 30


def test_every_route_has_a_summary_and_a_description(openapi: dict[str, Any]) -> None:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path} has no summary"
            assert operation.get("description"), f"{method} {path} has no description"


def test_the_calls_of_endpoints_are_listed_too(openapi: dict[str, Any]) -> None:
    assert "post" in openapi["paths"]["/endpoints/{path}"]
    assert "get" in openapi["paths"]["/endpoints/{path}/executions/{execution_id}"]


def test_errors_of_signed_urls_are_announced_as_xml(openapi: dict[str, Any]) -> None:
    for operation in openapi["paths"]["/api/v1/data-store/content"].values():
        assert list(operation["responses"]["4XX"]["content"]) == ["application/xml"]


def test_no_route_promises_the_frameworks_error_body(openapi: dict[str, Any]) -> None:
    for methods in openapi["paths"].values():
        for operation in methods.values():
            assert "422" not in operation["responses"]
    assert "HTTPValidationError" not in openapi.get("components", {}).get("schemas", {})
