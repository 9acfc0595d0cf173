"""Behind a proxy: a person gets the public address, the code in a pod the one that it has just reached."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from pipeyard.api.context import reachable_url
from pipeyard.api.endpoint_calls import let_in
from pipeyard.api.pipelines import get_pipeline_download
from pipeyard.domain.pipelines import Origin
from pipeyard.services.identities import Caller, PodScope
from pipeyard.services.signed_urls import SignedUrls
from pipeyard.services.token_attempts import TokenAttempts

pytestmark = pytest.mark.anyio

PUBLIC, REACHED = "https://public.example/environments/e", "http://10.0.0.7:8642/environments/e"


@pytest.fixture(params=[PUBLIC, REACHED])
def expected(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def caller(expected: str) -> Caller:
    return Caller("u", None if expected == PUBLIC else PodScope("id-of-e", "execution", "x"))


@pytest.fixture
def hub(caller: Caller) -> SimpleNamespace:
    """The services that the routes here ask."""

    async def get(*_: Any) -> Any:
        return SimpleNamespace(id="id-of-e", origin=Origin.LOCAL, endpoint_url_path="path", endpoint_token="the-token")

    return SimpleNamespace(
        token_attempts=TokenAttempts(1),
        settings=SimpleNamespace(public_url="https://public.example/"),
        environments=SimpleNamespace(get=get),
        endpoint_paths=SimpleNamespace(get=get),
        pipelines=SimpleNamespace(get=get),
        identities=SimpleNamespace(authenticate=lambda _: caller),
        data_store=SimpleNamespace(urls=SignedUrls.derived("key", 60)),
    )


def _request(hub: SimpleNamespace, authorization: str = "Bearer x") -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "client": ("10.0.0.9", 50000),
            "path": "/",
            "path_params": {"path": "path"},
            "query_string": b"",
            "headers": [(b"host", b"10.0.0.7:8642"), (b"authorization", authorization.encode())],
            "app": SimpleNamespace(state=SimpleNamespace(services=hub)),
            "pipeyard.environment": "e",
            "pipeyard.environment_prefix": "/environments/e",
        }
    )


async def test_an_address_is_one_that_the_caller_reaches(hub: Any, caller: Caller, expected: str) -> None:
    assert reachable_url(_request(hub), caller) == expected


async def test_results_of_an_endpoint_are_where_its_caller_reaches_them(hub: Any, expected: str) -> None:
    call = await let_in(_request(hub))
    assert (call.url, call.versioned_url) == (f"{expected}/endpoints/path", f"{expected}/endpoints/v1/path")


async def test_who_has_but_an_endpoint_token_is_told_the_public_address(hub: Any) -> None:
    call = await let_in(_request(hub, "EndpointToken the-token"))
    assert call.url == f"{PUBLIC}/endpoints/path"


async def test_the_code_of_a_pipeline_is_where_its_caller_reaches_it(hub: Any, caller: Caller, expected: str) -> None:
    answer = await get_pipeline_download("p", _request(hub), hub, await hub.environments.get(), caller)
    assert bytes(answer.body).startswith(f'{{"signed_url":"{expected}/api/v1/data-store/content?token='.encode())
