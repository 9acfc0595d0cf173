"""Arguments that cannot be right are named, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from numbers import Integral
from typing import Any

import pytest

from pipeyard import CraftAiSdk
from tests.sdk.clients import API, FakeServer


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda sdk: sdk.list_executions(limit="3"), "'limit' must be a whole number.*got '3'"),
        (lambda sdk: sdk.list_executions(limit=True), "'limit' must be a whole number"),
        (lambda sdk: sdk.get_pipeline_logs("p", limit=2.5), "'limit' must be a whole number"),
        (lambda sdk: sdk.get_pipeline_logs("p", "2026"), "'from_datetime' must be a datetime.datetime, got str"),
        (lambda sdk: sdk.get_deployment_logs("d", None, 5), "'to_datetime' must be a datetime.datetime, got int"),
        (lambda sdk: sdk.get_resource_metrics("2026", "2027"), "'start_date' must be a datetime.datetime"),
        (
            lambda sdk: sdk.create_pipeline("p", "m.py", "f", None, "hello"),
            "'container_config' must be a dict.*str",
        ),
        (lambda sdk: sdk.create_pipeline("p", "m.py", "f", None, {1: 2}), "'container_config' must be a dictionary"),
        (lambda sdk: sdk.create_pipeline("p", "m.py", "f", None, {"local_folder": 3}), "local_folder.* path, got int"),
        (lambda sdk: sdk.get_pipeline("a/b?c#d"), "pipelines: 'a/b\\?c#d' cannot be a name; allowed: text without"),
        (lambda sdk: sdk.get_deployment(None), "deployments: None cannot be a name"),
    ],
)
def test_an_argument_that_cannot_be_right_is_named(
    sdk: Any, server: FakeServer, call: Callable[[Any], Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        call(sdk)
    assert server.requests == []


@pytest.mark.parametrize("token", ["", "se\ncret", "secret ", "secrét", 5])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(sdk: Any, server: FakeServer, token: Any) -> None:
    for call in (lambda: sdk.trigger_endpoint("d", token), lambda: sdk.retrieve_endpoint_results("d", "e", token)):
        with pytest.raises(ValueError, match="'endpoint_token'") as caught:
            call()
        assert "cr" not in str(caught.value).replace("character", "")
    assert server.requests == []


@pytest.mark.parametrize("size", ["x", 5.5, True])
def test_a_size_that_is_no_number_of_bytes_is_refused(size: Any) -> None:
    for name in ("multipart_part_size_b", "multipart_threshold_b"):
        with pytest.raises(ValueError, match=f"{name} is .*; allowed: a whole number of bytes"):
            CraftAiSdk("t", "http://h", **{name: size})


@Integral.register
class Three:
    """A whole number that is no `int`, as NumPy has them."""

    def __int__(self) -> int:
        return 3


def test_numbers_of_other_kinds_are_numbers(sdk: Any, server: FakeServer) -> None:
    server.on("POST", f"{API}/pipelines/p/logs", [])
    server.on("GET", f"{API}/executions/e/outputs", {"outputs": []})
    sdk.get_pipeline_logs("p", limit=Three())
    assert server.requests[0].content == b'{"limit": 3}'
    assert sdk.retrieve_pipeline_execution_outputs("e", timeout_s=Fraction(3))["outputs"] == {}
