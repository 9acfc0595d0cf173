"""Pipelines from templates through the public client: those that come with Pipeyard, and an operator's own."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from craft_ai_sdk import InputSource, OutputDestination, SdkException

from tests.compat.providers import Provider, opened_provider
from tests.platforms import Platform

REFERENCE_KEYS = {"name", "version", "display_name", "description", "hosting_type", "model_family"}
EXAMPLES = [
    {"text": text, "label": label}
    for label, texts in {
        "billing": ["my invoice is wrong", "please refund the payment", "the payment failed", "charged twice"],
        "login": ["I cannot log in", "the password reset does not work", "my account is locked", "no login code came"],
    }.items()
    for text in texts
]
OWN = """
name = "own"
version = "2"
display_name = "Our own"
description = "Adds a bonus."
hosting_type = "self-hosted"
model_family = "arithmetic"
{switch}
[function]
path = "src/bonus.py"
name = "add"

[[inputs]]
name = "value"
data_type = "number"
is_required = true

[[inputs]]
name = "bonus"
data_type = "number"
default_value = 1

[[outputs]]
name = "sum"
data_type = "number"

[[recommended_inputs_mapping]]
pipeline_input_name = "bonus"
constant_value = 10

[[recommended_outputs_mapping]]
pipeline_output_name = "sum"
endpoint_output_name = "total"
"""


@pytest.fixture(scope="module")
def with_templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose operator has templates: one that works, one that is off, one that is broken."""
    folder = tmp_path_factory.mktemp("templates")
    add_template(folder / "own", OWN.replace("{switch}", ""))
    add_template(folder / "off", OWN.replace("{switch}", "enabled = false").replace('"own"', '"off"'))
    add_template(folder / "broken", "name = ")
    platform = Platform(tmp_path_factory.mktemp("platform"), templates_dir=folder).start()
    yield platform
    platform.stop()
    assert platform.processes() == []


@pytest.fixture
def provider() -> Iterator[Provider]:
    with opened_provider() as provider:
        yield provider


@pytest.fixture
def chat(platform: Platform, provider: Provider) -> Iterator[dict]:
    """A deployment of the template, whose API is the provider."""
    variables = {"OPENAI_BASE_URL": provider.url, "OPENAI_MODEL": "small", "OPENAI_API_KEY": "provider-key-0f1e2d"}
    for name, value in variables.items():
        platform.sdk.create_or_update_environment_variable(name, value)
    yield platform.deploy(create(platform, "chat-completion")["parameters"]["pipeline_name"])
    for name in variables:
        platform.sdk.delete_environment_variable(name)


def add_template(place: Path, description: str) -> None:
    (place / "code" / "src").mkdir(parents=True)
    (place / "code" / "src" / "bonus.py").write_text("def add(value, bonus): return {'sum': value + bonus}\n")
    (place / "code" / "src" / "__pycache__").mkdir()
    (place / "code" / "src" / "__pycache__" / "old.pyc").write_text("old")
    (place / "template.toml").write_text(description)


def create(platform: Platform, template: str) -> dict:
    return platform.sdk.create_pipeline(f"p-{uuid.uuid4().hex[:8]}", pipeline_template_name=template)


def test_list_pipeline_templates_says_what_there_is(sdk):
    templates = {template["name"]: template for template in sdk.list_pipeline_templates()}
    assert {name: template["hosting_type"] for name, template in templates.items()} == {
        "chat-completion": "private-api",
        "text-classifier": "self-hosted",
    }
    for template in templates.values():
        assert set(template) == REFERENCE_KEYS | {"enabled"}
        assert template["enabled"] is True


def test_get_pipeline_template_says_how_to_deploy_it(with_templates):
    template = with_templates.sdk.get_pipeline_template("own")
    assert [declared["name"] for declared in template["inputs"]] == ["value", "bonus"]
    assert [declared["name"] for declared in template["outputs"]] == ["sum"]
    value, bonus = template["recommended_inputs_mapping"]
    assert (value["source"], value["endpoint_input_name"], value["value"]) == ("endpoint", "value", "value")
    assert (bonus["source"], bonus["constant_value"], bonus["value"]) == ("constant", 10, 10)
    (total,) = template["recommended_outputs_mapping"]
    assert (total["destination"], total["endpoint_output_name"]) == ("endpoint", "total")


def test_a_pipeline_of_a_template_is_deployed_as_it_recommends(with_templates):
    template = with_templates.sdk.get_pipeline_template("own")
    created = create(with_templates, "own")
    assert created["creation_info"]["pipeline_template"] == {key: template[key] for key in REFERENCE_KEYS}
    assert created["creation_info"]["origin"] == "local"
    assert created["creation_info"]["status"] == "ready"
    kinds = ("endpoint_input_name", "constant_value", "environment_variable_name", "is_null")
    deployment = with_templates.deploy(
        created["parameters"]["pipeline_name"],
        inputs_mapping=[
            InputSource(item["pipeline_input_name"], **{key: item[key] for key in kinds if key in item})
            for item in template["recommended_inputs_mapping"]
        ],
        outputs_mapping=[
            OutputDestination(item["pipeline_output_name"], endpoint_output_name=item["endpoint_output_name"])
            for item in template["recommended_outputs_mapping"]
        ],
    )
    assert with_templates.call(deployment, {"value": 5}).json()["outputs"] == {"total": 15}


def test_the_code_of_a_template_can_be_downloaded_and_changed(with_templates, tmp_path):
    name = create(with_templates, "own")["parameters"]["pipeline_name"]
    with_templates.sdk.download_pipeline_local_folder(name, str(tmp_path))
    with tarfile.open(fileobj=io.BytesIO((tmp_path / f"{name}.tgz").read_bytes())) as tar:
        assert [member.name for member in tar if member.isfile()] == ["src/bonus.py"]


def test_a_template_that_is_off_creates_nothing(with_templates):
    assert not with_templates.sdk.get_pipeline_template("off")["enabled"]
    before = with_templates.sdk.list_pipelines()
    with pytest.raises(SdkException, match="not enabled") as caught:
        create(with_templates, "off")
    assert caught.value.status_code == 409
    assert with_templates.sdk.list_pipelines() == before


def test_a_broken_template_is_in_the_log_of_the_server_alone(with_templates):
    assert {template["name"] for template in with_templates.sdk.list_pipeline_templates()} == {
        "chat-completion",
        "off",
        "own",
        "text-classifier",
    }
    assert "/broken is left out" in with_templates.log()


def test_the_language_of_a_template_is_the_projects(with_templates):
    with with_templates.http() as http:
        http.put("/api/v1/project-information", json={"language": "python:3.99-slim", "included_folders": ["x"]})
        with pytest.raises(SdkException, match="failed"):
            create(with_templates, "own")
        http.put("/api/v1/project-information", json={"language": None, "included_folders": None})
    assert create(with_templates, "own")["parameters"]["container_config"]["included_folders"] == ["/"]


def test_the_text_classifier_learns_from_examples(platform):
    deployment = platform.deploy(create(platform, "text-classifier")["parameters"]["pipeline_name"], "low_latency")
    asked = {"examples": EXAMPLES, "texts": ["refund my invoice", "locked out of my account"]}
    predictions = platform.call(deployment, asked).json()["outputs"]["predictions"]
    assert [prediction["label"] for prediction in predictions] == ["billing", "login"]
    for prediction in predictions:
        assert prediction["probability"] == max(prediction["probabilities"].values()) > 0.5
        assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=0.001)
    assert platform.call(deployment, asked | {"texts": []}).json()["outputs"] == {"predictions": []}
    for wrong, said in (
        ({"texts": [7]}, "texts[0] must be text"),
        ({"examples": EXAMPLES[:2]}, "at least two"),
        ({"examples": ["x"]}, "examples[0] must be an object"),
    ):
        answer = platform.call(deployment, asked | wrong)
        assert answer.status_code == 500
        assert said in answer.json()["message"]


def test_the_chat_completion_passes_the_conversation_on(platform, provider, chat):
    messages = [{"role": "user", "content": "hello"}]
    answer = platform.call(chat, {"messages": messages, "system_prompt": "Shout.", "temperature": 0.5, "max_tokens": 9})
    assert answer.status_code == 200, answer.text
    (choice,) = answer.json()["outputs"]["choices"]
    assert choice["message"] == {"role": "assistant", "content": "HELLO"}
    assert answer.json()["outputs"]["usage"] == {"total_tokens": 7}
    sent = {"model": "small", "temperature": 0.5, "max_tokens": 9}
    sent["messages"] = [{"role": "system", "content": "Shout."}, *messages]
    assert provider.calls == [("/v1/chat/completions", "Bearer provider-key-0f1e2d", sent)]


def test_the_chat_completion_sends_no_more_than_it_was_given(platform, provider, chat):
    assert platform.call(chat, {"messages": [{"role": "user", "content": "x"}]}).status_code == 200
    assert provider.calls[0][2] == {"model": "small", "messages": [{"role": "user", "content": "x"}]}


def test_the_chat_completion_says_what_the_api_said(platform, provider, chat):
    provider.status = 429
    answer = platform.call(chat, {"messages": [{"role": "user", "content": "x"}]})
    assert answer.status_code == 500
    assert "the API answered 429" in answer.json()["message"]
    assert "the model is resting" in answer.json()["message"]
    assert "provider-key" not in answer.text


def test_the_chat_completion_follows_no_redirect_with_the_key(platform, provider, chat):
    provider.status, provider.headers = 302, {"Location": f"{provider.url}/elsewhere"}
    answer = platform.call(chat, {"messages": [{"role": "user", "content": "x"}]})
    assert "the API answered 302" in answer.json()["message"]
    assert len(provider.calls) == 1


def test_the_chat_completion_names_the_variable_that_is_missing(platform, provider, chat):
    platform.sdk.create_or_update_environment_variable("OPENAI_MODEL", "")
    answer = platform.call(chat, {"messages": []})
    assert "OPENAI_MODEL is not set" in answer.json()["message"]
