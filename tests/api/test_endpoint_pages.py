"""The documentation of one endpoint: who gets it, that it is true, and that its snippets work as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from craft_ai_sdk import Output

from pipeyard.api.snippets import TOKEN_VARIABLE
from tests.api.endpoint_samples import NASTY, Endpoints, deployed_samples
from tests.platforms import Platform

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def endpoints(platform: Platform) -> Iterator[Endpoints]:
    with deployed_samples(platform) as deployed:
        yield deployed


def get(platform: Platform, deployment: Mapping[str, Any], what: str, **options: Any) -> httpx.Response:
    options.setdefault("params", {"token": deployment["endpoint_token"]})
    return httpx.get(f"{platform.url}/endpoints/{deployment['endpoint_url_path']}/{what}", timeout=30, **options)


def page_data(platform: Platform, deployment: Mapping[str, Any]) -> dict[str, Any]:
    match = DATA.search(get(platform, deployment, "docs").text)
    assert match is not None
    data: dict[str, Any] = json.loads(match[1])
    return data


@pytest.mark.parametrize("what", ["docs", "openapi.json"])
def test_the_endpoint_token_opens_it_in_the_header_and_in_the_url(
    platform: Platform, endpoints: Endpoints, what: str
) -> None:
    token = endpoints.values["endpoint_token"]
    assert get(platform, endpoints.values, what).status_code == 200
    header = {"Authorization": f"EndpointToken {token}"}
    assert get(platform, endpoints.values, what, params={}, headers=header).status_code == 200
    with platform.http() as http:
        assert http.get(f"/endpoints/{endpoints.values['endpoint_url_path']}/{what}").status_code == 200
    assert get(platform, endpoints.values, what, params={}).status_code == 401
    other = {"token": endpoints.files["endpoint_token"]}
    assert get(platform, endpoints.values, what, params=other).status_code == 401


def test_words_of_the_urls_are_names_like_any_other(platform: Platform) -> None:
    pipeline = platform.create_pipeline("def main(): return {'o': 1}", outputs=[Output("o", "number")])
    for path in ("docs", "openapi.json", "executions", "outputs"):
        deployment = platform.deploy(pipeline, endpoint_url_path=path)
        assert platform.call(deployment).json()["outputs"] == {"o": 1}
        assert get(platform, deployment, "docs").status_code == 200
        assert get(platform, deployment, "openapi.json").json()["info"]["title"] == path
    for what in ("docs", "openapi.json"):
        assert httpx.get(f"{platform.url}/endpoints/v1/{what}").status_code == 404
    platform.sdk.delete_pipeline(pipeline, force_deployments_deletion=True)


def test_the_page_loads_nothing_and_tells_nobody_where_it_was(platform: Platform, endpoints: Endpoints) -> None:
    answer = get(platform, endpoints.values, "docs")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert endpoints.values["endpoint_token"] not in answer.text


def test_what_users_wrote_stays_inside_its_json(platform: Platform, endpoints: Endpoints) -> None:
    text = get(platform, endpoints.values, "docs").text
    data = page_data(platform, endpoints.values)
    assert data["description"] == data["inputs"][0]["description"] == data["inputs"][0]["default"] == NASTY
    assert text.count("<script") == 2  # the JSON, and the page's own
    assert "<img" not in text


def test_a_disabled_endpoint_says_so(platform: Platform, endpoints: Endpoints) -> None:
    assert page_data(platform, endpoints.values)["is_enabled"]
    platform.sdk.update_deployment(endpoints.values["name"], is_enabled=False)
    assert not page_data(platform, endpoints.values)["is_enabled"]
    platform.sdk.update_deployment(endpoints.values["name"], is_enabled=True)


def test_a_deployment_without_a_description_has_that_of_its_pipeline(platform: Platform, endpoints: Endpoints) -> None:
    assert page_data(platform, endpoints.files)["description"] is None
    assert get(platform, endpoints.values, "openapi.json").json()["info"]["description"] == NASTY


# --- OpenAPI ---


def test_its_openapi_is_valid_and_about_this_endpoint_alone(platform: Platform, endpoints: Endpoints) -> None:
    for deployment in vars(endpoints).values():
        description = get(platform, deployment, "openapi.json").json()
        schemathesis.openapi.from_dict(description).validate()
        path = deployment["endpoint_url_path"]
        assert description["openapi"].startswith("3.1")
        assert description["servers"] == [{"url": platform.url}]
        assert all(
            found == f"/endpoints/{path}" or f"/endpoints/{path}/exec" in found for found in description["paths"]
        )


def test_inputs_have_their_types_descriptions_and_defaults(platform: Platform, endpoints: Endpoints) -> None:
    description = get(platform, endpoints.values, "openapi.json").json()
    body = description["paths"][f"/endpoints/{endpoints.values['endpoint_url_path']}"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema["required"] == ["number"]
    assert body["required"] is True
    assert schema["properties"]["number"] == {"type": "number", "description": "From 0 to 100."}
    assert schema["properties"]["flag"] == {"anyOf": [{"type": "boolean"}, {"type": "null"}]}
    assert schema["properties"]["text"]["default"] == NASTY
    assert schema["properties"]["thing"] == {"default": {"quoted": NASTY, "nothing": None}}


def test_a_required_file_leaves_only_the_form(platform: Platform, endpoints: Endpoints) -> None:
    description = get(platform, endpoints.files, "openapi.json").json()
    content = description["paths"][f"/endpoints/{endpoints.files['endpoint_url_path']}"]["post"]["requestBody"][
        "content"
    ]
    assert list(content) == ["multipart/form-data"]
    assert content["multipart/form-data"]["schema"]["properties"]["note"] == {"type": "string", "format": "binary"}


@pytest.mark.parametrize(
    ("which", "options"),
    [
        ("values", {"json": {"number": 1, "items": [None], "unknown": 1}}),
        ("values", {"json": {"number": "one"}}),
        ("values", {"json": {"number": 101}}),
        ("files", {"files": {"note": b"a"}, "data": {"ending": "?"}}),
        ("files", {"json": {}}),
        ("lone_file", {"files": {"note": b"a"}}),
        ("files", {"files": {"note": b"a"}, "headers": {"Prefer": "respond-async"}}),
    ],
)
def test_its_answers_are_what_its_openapi_says(
    platform: Platform, endpoints: Endpoints, which: str, options: dict[str, Any]
) -> None:
    deployment = getattr(endpoints, which)
    schema = schemathesis.openapi.from_dict(get(platform, deployment, "openapi.json").json())
    path = f"/endpoints/{deployment['endpoint_url_path']}"
    answer = platform.call(deployment, **options)
    answer.request.read()  # a form is a stream until then, and the check shows what was sent
    schema[path]["POST"].validate_response(answer)
    execution_id = answer.headers.get("craft-ai-execution-id")
    if execution_id is not None:
        later = get(platform, deployment, f"executions/{execution_id}")
        schema[f"{path}/executions/{{execution_id}}"]["GET"].validate_response(later)
        assert later.status_code == 200


# --- snippets ---


def run_snippet(kind: str, text: str, folder: Path, token: str) -> str:
    """What it prints, run as a user would."""
    commands = {
        "curl": ["bash", "-euo", "pipefail", "snippet"],
        "Python": [sys.executable, "snippet"],
        "JavaScript": ["node", "snippet.mjs"],
    }
    (folder / commands[kind][-1]).write_text(text)
    environment = os.environ | {TOKEN_VARIABLE: token}
    done = subprocess.run(commands[kind], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("kind", ["curl", "Python", "JavaScript"])
def test_a_snippet_with_values_works_as_it_stands(
    platform: Platform, endpoints: Endpoints, kind: str, tmp_path: Path
) -> None:
    text = page_data(platform, endpoints.values)["snippets"][kind]
    printed = run_snippet(kind, text, tmp_path, endpoints.values["endpoint_token"])
    assert "日本" in printed
    assert "quoted" in printed
    if kind == "curl":
        seen = json.loads(printed)["outputs"]["seen"]
        assert seen["text"] == seen["thing"]["quoted"] == NASTY
        assert (seen["number"], seen["flag"], seen["items"], seen["sure"]) == (1, True, [1, 2, 3], "text")


@pytest.mark.parametrize("kind", ["curl", "Python", "JavaScript"])
def test_a_snippet_with_a_file_works_as_it_stands(
    platform: Platform, endpoints: Endpoints, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "note.bin").write_text("a note")
    data = page_data(platform, endpoints.files)
    assert "/outputs/loud" in run_snippet(kind, data["snippets"][kind], tmp_path, endpoints.files["endpoint_token"])
    data = page_data(platform, endpoints.lone_file)
    run_snippet(kind, data["snippets"][kind], tmp_path, endpoints.lone_file["endpoint_token"])
    assert (tmp_path / "loud.out").read_text() == "A NOTE!"


@pytest.mark.parametrize("kind", ["curl", "Python", "JavaScript"])
def test_a_snippet_that_is_refused_fails(platform: Platform, endpoints: Endpoints, kind: str, tmp_path: Path) -> None:
    text = page_data(platform, endpoints.values)["snippets"][kind]
    with pytest.raises(AssertionError, match=r"401|endpoint token"):
        run_snippet(kind, text, tmp_path, "wrong-token")
