"""What may be asked of a deployment: combinations that the product page excludes are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from pipeyard.domain.deployments import read_request
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.ram import parse_ram
from pipeyard.errors import InvalidInputError

LEAST = {"name": "d", "pipeline_name": "p"}
LOW_LATENCY = {**LEAST, "mode": "low_latency"}


def test_the_defaults_are_elastic_one_at_a_time_and_a_path_like_the_name() -> None:
    request = read_request(LEAST, Rule.ENDPOINT)
    assert (request.mode, request.endpoint_url_path) == (Mode.ELASTIC, "d")
    assert not request.resources.enable_parallel_executions


def test_parallel_executions_are_six_by_default() -> None:
    request = read_request({**LOW_LATENCY, "enable_parallel_executions": True}, Rule.ENDPOINT)
    assert request.resources.max_parallel_executions_per_pod == 6


def test_the_public_client_may_send_false_for_elastic() -> None:
    assert read_request({**LEAST, "enable_parallel_executions": False}, Rule.ENDPOINT).mode is Mode.ELASTIC


@pytest.mark.parametrize(
    ("text", "count"),
    [("1KiB", 1024), ("512MiB", 512 * 1024**2), ("1GiB", 1024**3)],
)
def test_memory_is_a_number_and_a_binary_unit(text: str, count: int) -> None:
    assert parse_ram("ram_request", text) == count


@pytest.mark.parametrize(
    "text", ["512MB", "1.5GiB", "0MiB", "GiB", "1 GiB", "-1MiB", "1gib", "", 512, None, True, "1GiB\n"]
)
def test_other_amounts_of_memory_are_refused_with_an_example(text: object) -> None:
    with pytest.raises(InvalidInputError, match='for example "512MiB" or "1GiB"'):
        parse_ram("ram_request", text)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pipeline_name": "p"}, "name: is missing"),
        ({"name": "d"}, "pipeline_name: is missing"),
        ({**LEAST, "name": "a/b"}, "name: .* is not a name"),
        ({**LEAST, "mode": "warm"}, "mode: 'warm' is not a mode; allowed: elastic, low_latency"),
        ({**LEAST, "mode": ["elastic"]}, "mode: .* is not a mode"),
        ({**LEAST, "schedule": "* * * * *"}, "schedule: an endpoint deployment is triggered by calls"),
        ({**LEAST, "enable_parallel_executions": True}, "each execution runs in a new pod"),
        ({**LEAST, "max_parallel_executions_per_pod": 2}, "each execution runs in a new pod"),
        ({**LEAST, "ram_request": "1GiB"}, 'ram_request: is only available for mode "low_latency"'),
        ({**LEAST, "gpu_request": 1}, 'gpu_request: is only available for mode "low_latency"'),
        ({**LOW_LATENCY, "max_parallel_executions_per_pod": 2}, "only applies if enable_parallel_executions"),
        ({**LOW_LATENCY, "enable_parallel_executions": "true"}, "must be true or false"),
        ({**LOW_LATENCY, "gpu_request": -1}, "gpu_request: -1 is not usable"),
        ({**LOW_LATENCY, "gpu_request": True}, "gpu_request: True is not usable"),
        ({**LEAST, "execution_timeout_s": 0}, "execution_timeout_s: 0 is not usable"),
        ({**LEAST, "queue_timeout_s": 0}, "queue_timeout_s: 0 is not usable"),
        ({**LEAST, "start_timeout_s": True}, "start_timeout_s: True is not usable"),
        ({**LEAST, "execution_timeout_s": 1.5}, "execution_timeout_s: 1.5 is not usable"),
        ({**LEAST, "endpoint_url_path": "v1"}, 'endpoint_url_path: "v1" is reserved'),
        ({**LEAST, "endpoint_token": "a+b/c=d&"}, "endpoint_token: is not usable as a token"),
        ({**LEAST, "description": 1}, "description: must be text"),
    ],
)
def test_a_wrong_request_names_its_field(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_request(fields, Rule.ENDPOINT)


PERIODIC = {**LEAST, "schedule": "*/2  * * * *"}


def test_a_periodic_request_has_a_schedule_and_no_path() -> None:
    request = read_request(PERIODIC, Rule.PERIODIC)
    assert request.schedule is not None
    assert request.schedule.text == "*/2 * * * *"
    assert request.endpoint_url_path is None
    assert read_request({**PERIODIC, "name": "v1"}, Rule.PERIODIC).name == "v1"  # reserved as a path alone


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (LEAST, "schedule: is missing; allowed: five fields"),
        ({**LEAST, "schedule": "0 25 * * *"}, "schedule: the hour '25' cannot be used"),
        ({**PERIODIC, "endpoint_url_path": "p"}, "endpoint_url_path: .* it has no endpoint"),
        ({**PERIODIC, "endpoint_token": "abcdefgh12"}, "endpoint_token: .* it has no endpoint"),
        ({**PERIODIC, "timeout_s": 180}, "timeout_s: is how long the client waits"),
        ({**PERIODIC, "execution_rule": "endpoint"}, "execution_rule: 'endpoint' does not fit; allowed: periodic"),
        ({**PERIODIC, "ram_request": "1GiB"}, 'ram_request: is only available for mode "low_latency"'),
    ],
)
def test_a_wrong_periodic_request_names_its_field(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_request(fields, Rule.PERIODIC)
