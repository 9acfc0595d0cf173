"""Who calls: tokens and users."""

import base64
import json

import httpx
import pytest
from craft_ai_sdk import CraftAiSdk


def test_an_access_token_lives_long_enough_for_the_client_to_keep_it(platform):
    body = {"refresh_token": platform.credentials["CRAFT_AI_SDK_TOKEN"]}
    first, second = (
        httpx.post(f"{platform.api}/auth/refresh", json=body).json()["access_token"] for _ in range(2)
    )  # refreshing does not rotate the SDK token
    for token in (first, second):
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert claims["exp"] - claims["iat"] > 300


def test_the_client_refreshes_its_access_token_once_for_many_calls(platform):
    sdk = CraftAiSdk(
        platform.credentials["CRAFT_AI_SDK_TOKEN"], platform.url, control_url=platform.url, verbose_log=False
    )
    asked = []
    sdk._session.hooks["response"].append(lambda answer, **_: asked.append(answer.request.path_url))
    for _ in range(3):
        sdk.who_am_i()
    assert [path for path in asked if path.endswith("/auth/refresh")] == ["/api/v1/auth/refresh"]


def test_the_environment_url_with_its_name_is_the_same_environment(platform, echo):
    sdk = CraftAiSdk(
        platform.credentials["CRAFT_AI_SDK_TOKEN"],
        f"{platform.url}/environments/default",
        control_url=platform.url,
        verbose_log=False,
    )
    assert sdk.get_pipeline(echo)["parameters"]["pipeline_name"] == echo


def test_the_environment_says_what_it_is_without_a_token(platform):
    assert httpx.get(f"{platform.api}/health").status_code == 200
    information = httpx.get(f"{platform.api}/environment-info").json()
    assert information["environment_id"]
    assert information["version"]


@pytest.mark.parametrize("path", ["users/me", "pipelines", "deployments", "project-information", "environment-summary"])
def test_everything_else_needs_an_access_token(platform, path):
    assert httpx.get(f"{platform.api}/{path}").status_code == 401
    refused = httpx.get(f"{platform.api}/{path}", headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert refused.json()["name"] == "Authentication"
    with platform.http() as client:
        assert client.get(f"/api/v1/{path}").status_code == 200
