"""Code written for the public client, of either generation, finds every method and parameter."""

from __future__ import annotations

import inspect
from typing import Any

import craft_ai_sdk
import pytest

import pipeyard
from pipeyard import CraftAiSdk

METHODS = [name for name, _ in inspect.getmembers(craft_ai_sdk.CraftAiSdk, inspect.isfunction) if name[0] != "_"]
# Where the two generations of the public client disagree on the order, these go by keyword: 0028 in docs/decisions.
KEYWORD_ONLY = {"create_deployment": "endpoint_url_path"}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_parameters_of_the_public_client(name: str) -> None:
    theirs = inspect.signature(getattr(craft_ai_sdk.CraftAiSdk, name)).parameters
    ours = inspect.signature(getattr(CraftAiSdk, name)).parameters
    named = [parameter for parameter in theirs if parameter not in ("sdk", "self", "kwargs")]
    assert set(named) <= set(ours)
    positional = named[: named.index(KEYWORD_ONLY[name])] if name in KEYWORD_ONLY else named
    positional = [parameter for parameter in positional if theirs[parameter].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert list(ours)[1 : len(positional) + 1] == positional
    for parameter in named:
        if name != "create_deployment":
            assert _default(ours[parameter]) == _default(theirs[parameter]), parameter


def test_create_deployment_is_the_product_pages() -> None:
    parameters = list(inspect.signature(CraftAiSdk.create_deployment).parameters.values())[1:]
    positional = {
        parameter.name: _default(parameter)
        for parameter in parameters
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    }
    assert positional == {
        "pipeline_name": None,
        "deployment_name": None,
        "execution_rule": None,
        "mode": "elastic",
        "schedule": None,
        "inputs_mapping": None,
        "outputs_mapping": None,
        "description": None,
        "enable_parallel_executions": None,
        "max_parallel_executions_per_pod": None,
        "ram_request": None,
        "gpu_request": None,
        "timeout_s": 180,
    }
    assert {parameter.name: _default(parameter) for parameter in parameters if parameter.name not in positional} == {
        "wait_for_completion": True,
        "execution_timeout_s": None,
        "endpoint_url_path": None,
        "endpoint_token": None,
        "schedule_time_zone": None,
        "schedule_jitter_s": None,
        "schedule_paused_until": None,
        "schedule_overlap": None,
        "schedule_catch_up_s": None,
        "queue_timeout_s": None,
        "start_timeout_s": None,
        "retries": None,
        "retry_delay_s": None,
        "retry_on": None,
    }


def test_the_constructor_and_its_attributes_are_those_of_the_public_client() -> None:
    theirs = list(inspect.signature(craft_ai_sdk.CraftAiSdk).parameters)
    assert list(inspect.signature(CraftAiSdk).parameters)[: len(theirs)] == theirs
    with CraftAiSdk("token", "http://host/envs/a/", "http://control/") as sdk:
        assert sdk.base_environment_url == "http://host/envs/a"
        assert sdk.base_environment_api_url == "http://host/envs/a/api/v1"
        assert (sdk.base_control_url, sdk.base_control_api_url) == ("http://control", "http://control/api/v1")
        assert sdk.warn_on_metric_outside_of_pipeline is True


@pytest.mark.parametrize("name", craft_ai_sdk.__all__)
def test_every_public_name_is_there(name: str) -> None:
    theirs, ours = getattr(craft_ai_sdk, name), getattr(pipeyard, name)
    if isinstance(theirs, type) and hasattr(theirs, "__members__"):
        assert {key: member.value for key, member in ours.__members__.items()} == {
            key: member.value for key, member in theirs.__members__.items()
        }


@pytest.mark.parametrize("name", ["Input", "Output", "InputSource", "OutputDestination"])
def test_declarations_travel_alike(name: str) -> None:
    theirs, ours = getattr(craft_ai_sdk, name), getattr(pipeyard, name)
    count = len(inspect.signature(theirs).parameters)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    values: list[Any] = ["a", "string", False, 0, "", None, {"x": 1}, "p"][:count]
    assert ours(*values).to_dict() == theirs(*values).to_dict()


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is inspect.Parameter.empty else parameter.default
