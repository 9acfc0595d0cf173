"""Environment variables through the public client, and what pods see of them."""

import pytest
from craft_ai_sdk import Input, InputSource, Output, SdkException

READ = """
import os

def main(name):
    return {"value": os.environ.get(name)}
"""


@pytest.fixture(scope="module")
def reader(platform):
    return platform.create_pipeline(READ, [Input("name", "string")], [Output("value", "string")])


def _listed(sdk):
    return {one["name"]: one["value"] for one in sdk.list_environment_variables()}


@pytest.mark.parametrize(("value", "text"), [(12, "12"), (1.5, "1.5"), (True, "true"), ("", "")])
def test_a_value_of_another_type_becomes_text(sdk, value, text):
    sdk.create_or_update_environment_variable("TYPED", value)
    assert _listed(sdk)["TYPED"] == text


@pytest.mark.parametrize("name", ["CRAFT_AI_SDK_TOKEN", "CRAFT_AI_X", "1X", "A-B", "A B", "é"])
def test_a_name_that_a_variable_cannot_have_is_refused(sdk, name):
    before = _listed(sdk)
    with pytest.raises(SdkException) as caught:
        sdk.create_or_update_environment_variable(name, "x")
    assert caught.value.status_code == 400
    assert _listed(sdk) == before


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_each_execution_sees_the_variables_as_they_are_when_it_starts(platform, sdk, reader, mode):
    deployment = platform.deploy(reader, mode)
    name = f"REFRESHED_{mode.upper()}"

    def value():
        return sdk.trigger_endpoint(deployment["name"], inputs={"name": name})["outputs"]["value"]

    assert value() is None
    sdk.create_or_update_environment_variable(name, "one")
    assert value() == "one"
    sdk.create_or_update_environment_variable(name, "two")
    assert value() == "two"
    sdk.delete_environment_variable(name)
    assert value() is None


def test_a_mapped_variable_is_read_when_the_execution_starts(platform, sdk, reader):
    sdk.create_or_update_environment_variable("WHICH", "FIRST")
    sdk.create_or_update_environment_variable("FIRST", "1st")
    sdk.create_or_update_environment_variable("SECOND", "2nd")
    deployment = platform.deploy(reader, inputs_mapping=[InputSource("name", environment_variable_name="WHICH")])
    assert sdk.trigger_endpoint(deployment["name"])["outputs"]["value"] == "1st"
    sdk.create_or_update_environment_variable("WHICH", "SECOND")
    assert sdk.trigger_endpoint(deployment["name"])["outputs"]["value"] == "2nd"


def test_a_mapped_variable_that_does_not_exist_fails_the_execution_by_name(platform, sdk, reader):
    mapping = [InputSource("name", environment_variable_name="NEVER_SET")]
    with pytest.raises(SdkException, match="NEVER_SET"):
        sdk.run_pipeline(reader, inputs_mapping=mapping)


def test_variables_of_the_server_itself_stay_outside(sdk, reader):
    for name in ("PIPEYARD_ELASTIC_MAX_PODS", "PYTEST_CURRENT_TEST"):
        assert sdk.run_pipeline(reader, {"name": name})["outputs"]["value"] is None
