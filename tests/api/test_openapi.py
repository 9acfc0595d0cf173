"""The description of the API: complete, readable, and open to everybody."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from pipeyard.api.app import MODULES
from pipeyard.wire import API_PREFIX, SIGNED_CONTENT_PATH
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


def test_operations_are_named_alike_and_each_once(openapi: dict[str, Any]) -> None:
    names = [operation["operationId"] for methods in openapi["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in names)
    assert "createPipeline" in names


def test_every_answer_says_what_its_body_is(openapi: dict[str, Any]) -> None:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                bodies = response.get("content", {})
                is_bare = method == "head" or (method, path) == ("put", SIGNED_CONTENT_PATH)
                has_none = status in ("204", "304") or (is_bare and status not in ("4XX", "503"))
                assert bool(bodies) != has_none, f"{method} {path} {status}"
                assert all("schema" in body for body in bodies.values()), f"{method} {path} {status}"
                assert "X-Request-Id" in response["headers"]


def test_every_link_leads_to_an_operation_and_fills_its_path(openapi: dict[str, Any]) -> None:
    paths = {
        operation["operationId"]: set(re.findall(r"{(\w+)}", path))
        for path, methods in openapi["paths"].items()
        for operation in methods.values()
    }
    links = [
        link
        for methods in openapi["paths"].values()
        for operation in methods.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links
    for link in links:
        assert set(link["parameters"]) == paths[link["operationId"]], link


def test_the_calls_of_endpoints_are_listed_too(openapi: dict[str, Any]) -> None:
    assert "post" in openapi["paths"]["/endpoints/{path}"]
    assert "get" in openapi["paths"]["/endpoints/{path}/executions/{execution_id}"]


def test_errors_of_signed_urls_are_announced_as_xml(openapi: dict[str, Any]) -> None:
    for operation in openapi["paths"]["/api/v1/data-store/content"].values():
        for status in ("4XX", "503"):
            assert list(operation["responses"][status]["content"]) == ["application/xml"]


def test_no_route_promises_the_frameworks_error_body(openapi: dict[str, Any]) -> None:
    for methods in openapi["paths"].values():
        for operation in methods.values():
            assert "422" not in operation["responses"]
    assert "HTTPValidationError" not in openapi.get("components", {}).get("schemas", {})
