"""The vector database that the operator has configured, through the public client and in a pod."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from craft_ai_sdk import Output, SdkException

from tests.platforms import Platform

TOKEN = "vector-token-7c6b5a"
ASK = """
import json, os, urllib.request

def main():
    def call(url, token=None, body=None):
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return json.load(answer)

    url = os.environ["CRAFT_AI_CONTROL_URL"] + "/api/v1"
    sent = json.dumps({"refresh_token": os.environ["CRAFT_AI_SDK_TOKEN"]}).encode()
    token = call(f"{url}/auth/refresh", body=sent)["access_token"]
    environment_id = call(f"{url}/environment-info")["environment_id"]
    return {"found": call(f"{url}/environments/{environment_id}/vector-database", token)}
"""


@pytest.fixture(scope="module")
def with_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    settings = {"vector_database_url": "https://vectors.example.org", "vector_database_token": TOKEN}
    platform = Platform(folder, **settings).start()
    yield platform
    platform.stop()


def test_get_vector_database_credentials_has_what_was_configured(with_database):
    assert with_database.sdk.get_vector_database_credentials() == {
        "vector_database_url": "https://vectors.example.org",
        "vector_database_token": TOKEN,
    }


def test_the_code_in_a_pod_may_ask_for_them(with_database):
    name = with_database.create_pipeline(ASK, outputs=[Output("found", "json")])
    found = with_database.sdk.run_pipeline(name)["outputs"]["found"]
    assert found["vector_database_token"] == TOKEN


def test_nobody_else_may(with_database):
    with with_database.http() as http:
        url = f"/api/v1/environments/{environment_id(with_database)}/vector-database"
        assert http.get(url).status_code == 200
        assert httpx.get(with_database.url + url).status_code == 401
    assert TOKEN not in with_database.log()


def test_an_unknown_environment_is_not_found(with_database):
    with with_database.http() as http:
        answer = http.get("/api/v1/environments/nowhere/vector-database")
    assert answer.status_code == 404
    assert answer.json()["message"] == 'no environment named "nowhere"'


def test_without_a_vector_database_the_answer_says_who_can_change_that(platform):
    with pytest.raises(SdkException, match="vector_database_url") as caught:
        platform.sdk.get_vector_database_credentials()
    assert caught.value.status_code == 404


def environment_id(platform: Platform) -> str:
    return httpx.get(f"{platform.api}/environment-info").json()["environment_id"]
