"""Every route of the application with every kind of token: the exact status, as the documentation says it."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from craft_ai_sdk import CraftAiSdk, Output
from fastapi.routing import iter_route_contexts

from pipeyard import clock
from pipeyard.data_folder import DataFolder
from pipeyard.domain.users import Environment
from pipeyard.services.identities import POD_ACCESS_TTL_S
from pipeyard.store.sqlite import SqliteStore
from tests.api.applications import bare_application
from tests.compat.conftest import WAITING_INPUTS, WAITING_OUTPUTS
from tests.compat.gates import DOORS, opened_gate
from tests.docs.pages import DOCS, REFERENCE, Page
from tests.platforms import Platform

API = "/api/v1"
# Served by the framework for everybody, and no routes of the API.
DOCUMENTATION = {"/api/openapi.json", "/api/docs", "/docs/oauth2-redirect", "/static-offline-docs"}

Route = tuple[str, str]

TELLS_TOKEN = "import os\ndef main(): return {'token': os.environ['CRAFT_AI_SDK_TOKEN']}"
TELLS_GATE = """
import os
from doors import knock

def main(gate, name):
    knock(gate, os.environ["CRAFT_AI_SDK_TOKEN"])
    return {"name": name}
"""
# In a pod of another environment: the client without arguments, and where it was sent.
USES_CLIENT = """
import os
from craft_ai_sdk import CraftAiSdk

def main():
    names = [row["name"] for row in CraftAiSdk().list_deployments()]
    return {"token": os.environ["CRAFT_AI_SDK_TOKEN"], "deployments": names}
"""


def application_routes() -> set[Route]:
    """All that the application would answer, from its own list."""
    app = bare_application()
    return {
        (method, context.path)
        for context in iter_route_contexts(app.routes)
        if context.path not in DOCUMENTATION
        for method in (context.methods or ()) - {"HEAD"}
    }


def documented_classes() -> dict[Route, str]:
    """Who may call each route, as docs/reference/api.md says it."""
    rows = re.findall(r"^\| `([A-Z]+) (/\S+)` \| (\w+) \|", (REFERENCE / "api.md").read_text(), re.MULTILINE)
    return {(method, path): who for method, path, who in rows}


CLASSES = documented_classes()
PAGE = Page(DOCS / "explanation" / "tokens-and-permissions.md")
COLUMNS = ("public", "holder", "anyone", "person", "endpoint")
# What is sent -> by class of route: "yes", or the status that refuses it.
EXPECTED = {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in PAGE.table("## Who may do what")}
PERSON = "an access token of a person"


@dataclass(frozen=True)
class Credentials:
    """How a request says who it comes from."""

    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)


def bearer(token: str) -> Credentials:
    return Credentials({"Authorization": f"Bearer {token}"})


@dataclass(frozen=True)
class World:
    """Where requests go, and every kind of token, by its row in the documentation."""

    platform: Platform
    client: httpx.Client
    endpoint: dict[str, Any]
    tokens: dict[str, Credentials]
    ended_pod_token: str

    def send(self, route: Route, credentials: Credentials) -> httpx.Response:
        """A request that names nothing but the endpoint, which is disabled: so nothing is changed by it."""
        method, path = route
        names = {"path": self.endpoint["endpoint_url_path"], "execution_id": "nothing-000000000000"}
        url = re.sub(r"{(\w+)(?::\w+)?}", lambda match: names.get(match[1], "nothing"), path)
        return self.client.request(method, url, headers=credentials.headers, params=credentials.params)


@pytest.fixture(scope="module")
def annex(platform: Platform) -> str:
    """The name of another environment of the same installation."""
    folder, name = DataFolder(platform.data_dir), f"annex-{uuid.uuid4().hex[:6]}"

    async def add() -> None:
        store = SqliteStore.open(folder / "pipeyard.db", folder.encryption_key())
        await store.add_environment(Environment(uuid.uuid4().hex, name, clock.now()))
        await store.close()

    asyncio.run(add())
    return name


@pytest.fixture(scope="module")
def annex_sdk(platform: Platform, annex: str) -> CraftAiSdk:
    return CraftAiSdk(
        platform.credentials["CRAFT_AI_SDK_TOKEN"], f"{platform.url}/environments/{annex}", platform.url, False
    )


@pytest.fixture(scope="module")
def annex_outputs(annex_sdk: CraftAiSdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the code in a low latency pod of the other environment saw."""
    folder = tmp_path_factory.mktemp("annex")
    (folder / "main.py").write_text(USES_CLIENT)
    (folder / "requirements.txt").write_text("craft-ai-sdk==0.74.7\n")
    config = {"local_folder": str(folder), "requirements_path": "requirements.txt"}
    outputs = [Output("token", "string"), Output("deployments", "array")]
    annex_sdk.create_pipeline("p", "main.py", "main", container_config=config, outputs=outputs)
    annex_sdk.create_deployment("p", "only-here", "endpoint", "low_latency")
    yield annex_sdk.trigger_endpoint("only-here")["outputs"]
    annex_sdk.delete_pipeline("p", force_deployments_deletion=True)


@pytest.fixture(scope="module")
def world(platform: Platform, annex_outputs: dict[str, Any]) -> Iterator[World]:
    telling = platform.create_pipeline(TELLS_TOKEN, outputs=[Output("token", "string")])
    waiting = platform.create_pipeline(TELLS_GATE, WAITING_INPUTS, WAITING_OUTPUTS, files={"doors.py": DOORS})
    low_latency, elastic, endpoint = (platform.deploy(telling, mode) for mode in ("low_latency", "elastic", "elastic"))
    platform.sdk.update_deployment(endpoint["name"], is_enabled=False)
    ended = token_of(platform, elastic)
    with httpx.Client(base_url=platform.url, timeout=30) as client, opened_gate() as gate:
        inputs = {"gate": gate.url, "name": "x"}
        platform.sdk.trigger_endpoint(platform.deploy(waiting)["name"], inputs=inputs, wait_for_completion=False)
        (running,) = gate.await_arrivals(count=1)
        endpoint_token = endpoint["endpoint_token"]
        tokens = {
            PERSON: bearer(refresh(platform, platform.credentials["CRAFT_AI_SDK_TOKEN"])),
            "an access token of an elastic pod": bearer(refresh(platform, running)),
            "an access token of a low latency pod": bearer(refresh(platform, token_of(platform, low_latency))),
            "an access token of a pod of another environment": bearer(refresh(platform, annex_outputs["token"])),
            "the endpoint token as `EndpointToken`": Credentials({"Authorization": f"EndpointToken {endpoint_token}"}),
            "the endpoint token as `?token=`": Credentials(params={"token": endpoint_token}),
            "the endpoint token as `Bearer`": bearer(endpoint_token),
            "the token of another endpoint": Credentials(
                {"Authorization": f"EndpointToken {elastic['endpoint_token']}"}
            ),
            "an expired access token": bearer(expired_token(platform)),
            "the SDK token as `Bearer`": bearer(platform.credentials["CRAFT_AI_SDK_TOKEN"]),
            "the token of a pod that has ended as `Bearer`": bearer(ended),
            "rubbish as `Bearer`": bearer("rubbish"),
            "nothing": Credentials(),
        }
        by_row = {name.strip("`"): credentials for name, credentials in tokens.items()}  # as `Page.table` reads a cell
        yield World(platform, client, endpoint, by_row, ended)
    for pipeline in (telling, waiting):
        platform.sdk.delete_pipeline(pipeline, force_deployments_deletion=True)


def token_of(platform: Platform, deployment: dict[str, Any]) -> str:
    token: str = platform.sdk.trigger_endpoint(deployment["name"])["outputs"]["token"]
    return token


def refresh(platform: Platform, sdk_token: str) -> str:
    answer = httpx.post(f"{platform.api}/auth/refresh", json={"refresh_token": sdk_token})
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def expired_token(platform: Platform) -> str:
    """As the server signed it, an hour ago."""
    key = DataFolder(platform.data_dir).signing_key()
    claims = jwt.decode(refresh(platform, platform.credentials["CRAFT_AI_SDK_TOKEN"]), key, ["HS256"])
    return jwt.encode(claims | {"iat": claims["iat"] - 3600, "exp": claims["iat"] - 1}, key, "HS256")


def test_every_route_of_the_application_has_a_class() -> None:
    assert application_routes() == {route for route in CLASSES if route[0] != "HEAD"}
    assert set(CLASSES.values()) <= set(COLUMNS)


def test_every_kind_of_token_is_in_the_documentation_and_no_other(world: World) -> None:
    assert set(EXPECTED) == set(world.tokens)


@pytest.mark.parametrize("token", EXPECTED)
@pytest.mark.parametrize("route", sorted(CLASSES), ids=" ".join)
def test_a_route_lets_in_whom_its_class_says(world: World, route: Route, token: str) -> None:
    expected = EXPECTED[token][CLASSES[route]]
    answer = world.send(route, world.tokens[token])
    if expected == "yes":
        person = world.send(route, world.tokens[PERSON]).status_code
        assert answer.status_code == person, answer.text
        assert CLASSES[route] == "public" or person not in (401, 403), answer.text
    else:
        assert answer.status_code == int(expected), answer.text
        assert answer.json()["name"] == {401: "Authentication", 403: "PermissionDenied"}[answer.status_code]


def test_a_pod_is_told_what_it_may_do(world: World) -> None:
    answer = world.send(("POST", f"{API}/pipelines"), world.tokens["an access token of an elastic pod"])
    assert answer.json()["message"].startswith("POST /api/v1/pipelines is not for the code in a pod, which may read")
    other = world.send(("GET", f"{API}/pipelines"), world.tokens["an access token of a pod of another environment"])
    assert "another environment" in other.json()["message"]


def test_a_pod_of_another_environment_finds_its_own(annex: str, annex_outputs: dict[str, Any], world: World) -> None:
    assert annex_outputs["deployments"] == ["only-here"]
    token = world.tokens["an access token of a pod of another environment"]
    for path, status in ((f"/environments/{annex}{API}/deployments", 200), (f"{API}/deployments", 403)):
        assert world.client.get(path, headers=token.headers).status_code == status


def test_a_person_may_enter_every_environment(annex: str, annex_outputs: dict[str, Any], world: World) -> None:
    for prefix in ("", f"/environments/{annex}"):
        answer = world.client.get(f"{prefix}{API}/deployments", headers=world.tokens[PERSON].headers)
        assert answer.status_code == 200


def test_the_endpoint_of_another_environment_is_closed_to_a_pod(
    annex_sdk: CraftAiSdk, annex: str, annex_outputs: dict[str, Any], world: World
) -> None:
    url = f"/environments/{annex}/endpoints/only-here"
    own = world.client.post(url, headers=world.tokens["an access token of a pod of another environment"].headers)
    assert own.status_code == 200
    other = world.client.post(url, headers=world.tokens["an access token of an elastic pod"].headers)
    assert other.status_code == 403
    token = annex_sdk.get_deployment("only-here")["endpoint_token"]
    assert world.client.post(url, headers={"Authorization": f"EndpointToken {token}"}).status_code == 200


def test_a_pod_that_has_ended_gets_no_access_token_and_those_it_had_are_short(world: World) -> None:
    answer = world.client.post(f"{API}/auth/refresh", json={"refresh_token": world.ended_pod_token})
    assert answer.status_code == 401
    assert "has ended" in answer.json()["message"]
    for kind in ("an elastic pod", "a low latency pod"):
        token = world.tokens[f"an access token of {kind}"].headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert 120 < claims["exp"] - claims["iat"] == POD_ACCESS_TTL_S


@pytest.mark.parametrize("kind", ["an elastic pod", "a low latency pod"])
def test_a_pod_reads_deployments_without_their_endpoint_tokens(world: World, kind: str) -> None:
    path = f"{API}/deployments/{world.endpoint['name']}"
    seen = world.client.get(path, headers=world.tokens[f"an access token of {kind}"].headers).json()
    assert seen["endpoint_url_path"] == world.endpoint["endpoint_url_path"]
    assert "endpoint_token" not in seen
    assert "endpoint_token" in world.client.get(path, headers=world.tokens[PERSON].headers).json()
