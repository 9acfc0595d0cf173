"""Every route without a token: refused with the error body of wire.md 1.4, and never the framework's own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import Request

from pipeyard.api import endpoints
from pipeyard.api.app import MODULES
from pipeyard.api.errors import error_answer
from pipeyard.errors import UnavailableError
from pipeyard.wire import API_PREFIX, SIGNED_CONTENT_PATH
from tests.platforms import Platform

PUBLIC = {("GET", "/health"), ("GET", "/environment-info"), ("POST", "/auth/refresh")}
ROUTES = sorted(
    (method, f"{API_PREFIX}{route.path}")
    for module in MODULES
    for route in module.router.routes
    for method in route.methods
    # Signed URLs answer in XML: see test_signed_content.py.
    if (method, route.path) not in PUBLIC and API_PREFIX + route.path != SIGNED_CONTENT_PATH
)
ENDPOINTS = [
    (method, route.path) for route in endpoints.ROUTES for method in sorted(route.methods or ()) if method != "HEAD"
]


@pytest.fixture(scope="module")
def stranger(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        yield client


def check_body(answer: httpx.Response) -> None:
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert isinstance(body, dict)
    assert "detail" not in body
    assert all(isinstance(body[key], str) and body[key] for key in ("name", "message", "request_id"))
    assert body["request_id"] == answer.headers["x-request-id"]


def test_there_are_routes_to_check() -> None:
    assert len(ROUTES) > 30
    assert len(ENDPOINTS) == 7


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
@pytest.mark.parametrize("body", [b"", b"{}", b"\xff"], ids=["nothing", "an object", "rubbish"])
def test_a_route_of_the_api_refuses_a_stranger(stranger: httpx.Client, method: str, path: str, body: bytes) -> None:
    answer = stranger.request(method, path, content=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    check_body(answer)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS, ids=lambda part: part)
def test_an_endpoint_that_does_not_exist_refuses_a_stranger(stranger: httpx.Client, method: str, path: str) -> None:
    answer = stranger.request(method, path)
    assert answer.status_code == 404
    check_body(answer)


@pytest.mark.parametrize(("method", "path"), [*ROUTES, *ENDPOINTS], ids=lambda part: part)
def test_a_method_that_a_route_does_not_have_is_not_allowed(stranger: httpx.Client, method: str, path: str) -> None:
    answer = stranger.request("PROPFIND", path)
    assert answer.status_code == 405
    check_body(answer)
    assert answer.json()["name"] == "MethodNotAllowed"
    assert method in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/api/v1/", "/api/v1/pipelines/", "/endpoints/", "/x" * 4000])
def test_a_route_that_does_not_exist_is_not_found(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 404
    check_body(answer)
    assert answer.json()["name"] == "NotFound"


def test_a_refusal_that_waits_for_no_body_ends_the_request(stranger: httpx.Client) -> None:
    for _ in range(3):
        answer = stranger.post(f"{API_PREFIX}/pipelines", content=b"x" * 1_000_000)
        assert answer.status_code == 401
        check_body(answer)


@pytest.mark.parametrize(
    ("path", "media_type", "name"),
    [
        (f"{API_PREFIX}/data-store/list", "application/json", '"name":"Unavailable"'),
        (SIGNED_CONTENT_PATH, "application/xml", "<Code>ServiceUnavailable</Code>"),
    ],
)
def test_what_is_away_for_now_is_to_be_tried_again(path: str, media_type: str, name: str) -> None:
    answer = error_answer(Request({"type": "http", "path": path}), UnavailableError("the store is away", 7))
    assert (answer.status_code, answer.headers["retry-after"], answer.media_type) == (503, "7", media_type)
    assert name in bytes(answer.body).decode()
