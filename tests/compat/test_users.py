"""Who calls: tokens and users."""

import base64
import json
import uuid

import httpx
import pytest
from craft_ai_sdk import CraftAiSdk, SdkException


def test_who_am_i_names_the_user_of_the_token(sdk):
    me = sdk.who_am_i()
    assert set(me) == {"id", "name", "email"}
    assert all(isinstance(value, str) and value for value in me.values())


def test_get_user_resolves_created_by(sdk, echo):
    created_by = sdk.get_pipeline(echo)["creation_info"]["created_by"]
    assert sdk.get_user(created_by) == sdk.who_am_i()


def test_an_unknown_user_is_not_found(sdk):
    with pytest.raises(SdkException) as caught:
        sdk.get_user(str(uuid.uuid4()))
    assert caught.value.status_code == 404
    assert caught.value.request_id


def test_a_wrong_sdk_token_is_refused_with_a_reason(platform):
    stranger = CraftAiSdk("not-the-token", platform.url, control_url=platform.url, verbose_log=False)
    with pytest.raises(SdkException) as caught:
        stranger.who_am_i()
    assert caught.value.status_code == 401
    assert "token" in caught.value.message


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


def test_trailing_slashes_of_the_urls_do_not_matter(platform):
    sdk = CraftAiSdk(
        platform.credentials["CRAFT_AI_SDK_TOKEN"],
        platform.url + "//",
        control_url=platform.url + "/",
        verbose_log=False,
    )
    assert sdk.who_am_i() == platform.sdk.who_am_i()
    assert sdk.list_pipelines() == platform.sdk.list_pipelines()


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
