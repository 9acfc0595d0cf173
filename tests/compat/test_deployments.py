"""Deployments through the public client: creation with every option, reading, disabling, deletion, tokens."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from craft_ai_sdk import (
    DEPLOYMENT_EXECUTION_RULES,
    DEPLOYMENT_MODES,
    Input,
    InputSource,
    Output,
    OutputDestination,
    SdkException,
)

from tests.platforms import eventually

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def plain(platform):
    return platform.create_pipeline(
        "def main(s='', n=0): return {'out': f'{s}{n}', 'twice': 2 * n}",
        [Input("s", "string", description="a text", default_value="x"), Input("n", "number", default_value=1)],
        [Output("out", "string", description="both"), Output("twice", "number")],
    )


def _refused(platform, pipeline, mode="elastic", **options):
    """The refusal of a creation, after which nothing is there."""
    before = platform.sdk.list_deployments()
    with pytest.raises(SdkException) as caught:
        platform.deploy(pipeline, mode, **options)
    assert platform.sdk.list_deployments() == before
    return caught.value


def test_an_elastic_deployment_is_up_at_once_and_tells_everything(platform, sdk, plain):
    name = f"d-{uuid.uuid4().hex[:8]}"
    created = sdk.create_deployment(plain, name, DEPLOYMENT_EXECUTION_RULES.ENDPOINT, description="descr é")
    me = sdk.who_am_i()["id"]
    assert created["name"] == name
    assert created["mode"] == "elastic"
    assert created["pipeline"] == {"name": plain}
    assert created["execution_rule"] == "endpoint"
    assert created["endpoint_url_path"] == name
    assert re.fullmatch(r"[A-Za-z0-9_~.-]{20,}", created["endpoint_token"])
    assert created["is_enabled"] is True
    assert created["status"] == "up"
    assert created["description"] == "descr é"
    assert created["created_by"] == created["updated_by"] == me
    assert INSTANT.fullmatch(created["created_at"])
    assert INSTANT.fullmatch(created["updated_at"])
    assert created["last_execution_id"] is None
    for key in ("pods", "enable_parallel_executions", "max_parallel_executions_per_pod", "schedule", "id"):
        assert key not in created
    assert sdk.get_deployment(name) == created


def test_automatic_mapping_names_every_input_and_output(sdk, platform, plain):
    created = platform.deploy(plain)
    assert created["inputs_mapping"] == [
        {
            "pipeline_input_name": "s",
            "data_type": "string",
            "description": "a text",
            "endpoint_input_name": "s",
            "is_required": False,
            "default_value": "x",
        },
        {
            "pipeline_input_name": "n",
            "data_type": "number",
            "description": None,
            "endpoint_input_name": "n",
            "is_required": False,
            "default_value": 1,
        },
    ]
    assert [one["endpoint_output_name"] for one in created["outputs_mapping"]] == ["out", "twice"]
    assert sdk.trigger_endpoint(created["name"])["outputs"] == {"out": "x1", "twice": 2}


def test_manual_mapping_of_every_kind_comes_back_and_holds(sdk, platform, echo):
    sdk.create_or_update_environment_variable("DEPLOYED_SOURCE", "from the environment")
    created = platform.deploy(
        echo,
        inputs_mapping=[
            InputSource("string", environment_variable_name="DEPLOYED_SOURCE"),
            InputSource("number", endpoint_input_name="n_ep", is_required=True),
            InputSource("boolean", constant_value=False),
            InputSource("json", constant_value={"a": [1, None]}),
            InputSource("array", is_null=True),
        ],
        outputs_mapping=[
            OutputDestination("string", endpoint_output_name="s_ep"),
            OutputDestination("number", is_null=True),
        ],
    )
    sources = ("constant_value", "environment_variable_name", "endpoint_input_name", "is_null", "datastore_path")
    got = [{key: one[key] for key in sources if key in one} for one in created["inputs_mapping"]]
    assert got == [
        {"environment_variable_name": "DEPLOYED_SOURCE"},
        {"endpoint_input_name": "n_ep"},
        {"constant_value": False},
        {"constant_value": {"a": [1, None]}},
        {"is_null": True},
    ]
    assert created["inputs_mapping"][1]["is_required"] is True
    assert created["outputs_mapping"][0]["endpoint_output_name"] == "s_ep"
    assert created["outputs_mapping"][1]["is_null"] is True
    # By endpoint output name with the endpoint token; by pipeline output name with the SDK token.
    called = sdk.trigger_endpoint(created["name"], created["endpoint_token"], {"n_ep": 4})
    assert called["outputs"] == {
        "s_ep": "from the environment",
        "boolean": False,
        "json": {"a": [1, None]},
        "array": None,
    }
    called = sdk.trigger_endpoint(created["name"], inputs={"n_ep": 4})
    assert called["outputs"]["string"] == "from the environment"
    assert called["outputs"]["number"] is None
    inputs = {one["pipeline_input_name"]: one for one in sdk.get_pipeline_execution(called["execution_id"])["inputs"]}
    assert inputs["number"]["source"] == "endpoint"
    assert inputs["number"]["endpoint_input_name"] == "n_ep"
    assert inputs["number"]["value"] == 4
    with pytest.raises(SdkException, match="n_ep"):
        sdk.trigger_endpoint(created["name"])


def test_a_default_of_the_mapping_wins_over_that_of_the_pipeline(sdk, platform, plain):
    created = platform.deploy(
        plain, inputs_mapping=[InputSource("s", endpoint_input_name="s", default_value="deployed")]
    )
    assert sdk.trigger_endpoint(created["name"])["outputs"]["out"] == "deployed1"
    assert sdk.trigger_endpoint(created["name"], inputs={"s": "sent"})["outputs"]["out"] == "sent1"


def test_a_low_latency_deployment_has_a_pod_and_its_options(platform, sdk, plain):
    created = platform.deploy(
        plain,
        DEPLOYMENT_MODES.LOW_LATENCY,
        enable_parallel_executions=True,
        max_parallel_executions_per_pod=3,
        ram_request="512MiB",
        execution_timeout_s=30,
    )
    assert created["mode"] == "low_latency"
    assert created["status"] == "up"
    assert created["enable_parallel_executions"] is True
    assert created["max_parallel_executions_per_pod"] == 3
    (pod,) = created["pods"]
    assert set(pod) == {"pod_id", "status"}
    assert pod["pod_id"]
    assert sdk.trigger_endpoint(created["name"], inputs={"n": 4})["outputs"]["twice"] == 8
    assert sdk.get_deployment(created["name"])["pods"] == created["pods"]


def test_parallel_executions_are_off_by_default_and_six_when_on(platform, plain):
    off = platform.deploy(plain, "low_latency")
    assert off["enable_parallel_executions"] is False
    assert "max_parallel_executions_per_pod" not in off
    assert (
        platform.deploy(plain, "low_latency", enable_parallel_executions=True)["max_parallel_executions_per_pod"] == 6
    )


def test_the_endpoint_url_path_and_token_can_be_chosen(platform, sdk, plain):
    path, token = f"sea-{uuid.uuid4().hex[:6]}", f"chosen-{uuid.uuid4().hex}~._"
    created = platform.deploy(plain, endpoint_url_path=path, endpoint_token=token)
    assert (created["endpoint_url_path"], created["endpoint_token"]) == (path, token)
    assert sdk.trigger_endpoint(created["name"], token)["outputs"]["out"] == "x1"
    assert platform.call(created).json()["outputs"]["out"] == "x1"
    assert platform.call(created | {"endpoint_url_path": created["name"]}).status_code == 404
    assert _refused(platform, plain, endpoint_url_path=path).status_code == 409
    assert _refused(platform, plain, endpoint_url_path="v1").status_code == 400
    assert _refused(platform, plain, endpoint_token="a+b/c=d&e f").status_code == 400


def test_gpus_that_the_machine_does_not_have_are_refused(platform, plain):
    refused = _refused(platform, plain, "low_latency", gpu_request=1000)
    assert refused.status_code == 400
    assert "gpu_request" in refused.message


@pytest.mark.parametrize("ram", ["512MB", "1", "GiB", "0MiB", "-1GiB", "1.5GiB", "lots", 512])
def test_memory_in_another_unit_is_refused(platform, plain, ram):
    refused = _refused(platform, plain, "low_latency", ram_request=ram)
    assert refused.status_code == 400
    assert "ram_request" in refused.message
    assert "MiB" in refused.message


@pytest.mark.parametrize("ram", ["65536KiB", "64MiB", "1GiB"])
def test_memory_is_requested_in_kib_mib_or_gib(platform, plain, ram):
    assert platform.deploy(plain, "low_latency", ram_request=ram)["status"] == "up"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"max_parallel_executions_per_pod": 0, "enable_parallel_executions": True}, "max_parallel_executions_per_pod"),
        ({"execution_timeout_s": 0}, "execution_timeout_s"),
        ({"inputs_mapping": [InputSource("whale", constant_value=1)]}, "whale"),
        ({"inputs_mapping": [InputSource("n", constant_value="three")]}, "constant_value"),
        ({"inputs_mapping": [InputSource("n", constant_value=None)]}, "is_null"),
        ({"outputs_mapping": [OutputDestination("whale", is_null=True)]}, "whale"),
        (
            {
                "inputs_mapping": [
                    InputSource("s", endpoint_input_name="same"),
                    InputSource("n", endpoint_input_name="same"),
                ]
            },
            "same",
        ),
    ],
)
def test_options_that_cannot_be_meant_are_refused_by_name(platform, plain, options, field):
    refused = _refused(platform, plain, "low_latency", **options)
    assert refused.status_code == 400
    assert field in refused.message


def test_a_name_that_is_taken_and_a_pipeline_that_is_not_there_are_refused(platform, sdk, plain):
    taken = platform.deploy(plain)["name"]
    with pytest.raises(SdkException) as caught:
        sdk.create_deployment(plain, taken, "endpoint")
    assert caught.value.status_code == 409
    with pytest.raises(SdkException) as caught:
        sdk.create_deployment("no-such-pipeline", f"d-{uuid.uuid4().hex[:8]}", "endpoint")
    assert caught.value.status_code == 404


def test_deployments_are_listed_and_deleted(platform, sdk, plain):
    elastic, warm = platform.deploy(plain), platform.deploy(plain, "low_latency")
    rows = {row["name"]: row for row in sdk.list_deployments()}
    for created in (elastic, warm):
        row = rows[created["name"]]
        assert row["pipeline_name"] == plain
        assert row["execution_rule"] == "endpoint"
        assert row["mode"] == created["mode"]
        assert row["is_enabled"] is True
        assert row["created_at"] == created["created_at"]
        assert sdk.delete_deployment(created["name"]) == {"name": created["name"], "execution_rule": "endpoint"}
        for ask in (sdk.get_deployment, sdk.delete_deployment, sdk.get_deployment_logs, sdk.trigger_endpoint):
            with pytest.raises(SdkException) as caught:
                ask(created["name"])
            assert caught.value.status_code == 404
    assert not {elastic["name"], warm["name"]} & {row["name"] for row in sdk.list_deployments()}


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_a_disabled_deployment_refuses_calls_until_it_is_enabled(platform, sdk, plain, mode):
    created = platform.deploy(plain, mode)
    disabled = sdk.update_deployment(created["name"], is_enabled=False)
    assert disabled["is_enabled"] is False
    assert disabled["status"] == "disabled"
    for token in (None, created["endpoint_token"]):
        with pytest.raises(SdkException, match="disabled") as caught:
            sdk.trigger_endpoint(created["name"], token)
        assert 400 <= caught.value.status_code < 500
    if mode == "low_latency":
        eventually(lambda: sdk.get_deployment(created["name"])["pods"] == [])
    enabled = sdk.update_deployment(created["name"], is_enabled=True)
    assert enabled["is_enabled"] is True
    assert enabled["status"] == "up"
    assert sdk.trigger_endpoint(created["name"], created["endpoint_token"])["outputs"]["out"] == "x1"


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_disabling_lets_what_was_accepted_end(platform, sdk, waiting, gate, mode):
    created = platform.deploy(waiting, mode)
    ids = [
        sdk.trigger_endpoint(created["name"], inputs={"gate": gate.url, "name": name}, wait_for_completion=False)
        for name in ("first", "second")
    ]
    gate.await_arrivals("first")
    assert sdk.update_deployment(created["name"], is_enabled=False)["status"] == "disabled"  # at once
    gate.open()
    for started, name in zip(ids, ("first", "second"), strict=True):
        results = sdk.retrieve_endpoint_results(created["name"], started["execution_id"])
        assert results["outputs"] == {"name": name}


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_deleting_ends_the_calls_that_are_under_way(platform, sdk, waiting, gate, mode):
    created = platform.deploy(waiting, mode)
    with ThreadPoolExecutor(2) as threads:
        names = ("first", "second")
        calls = [threads.submit(platform.call, created, {"gate": gate.url, "name": name}) for name in names]
        gate.await_arrivals(count=1)
        eventually(
            lambda: len([one for one in sdk.list_pipeline_executions(waiting) if _is_open_of(one, created)]) == 2
        )
        sdk.delete_deployment(created["name"])
        for call in calls:
            assert 400 <= call.result().status_code < 500
            assert call.result().json()["message"]
    assert not [one for one in sdk.list_pipeline_executions(waiting) if one["deployment_name"] == created["name"]]


def _is_open_of(row, deployment):
    return row["deployment_name"] == deployment["name"] and row["status"] in ("Pending", "Running")


def test_results_of_a_disabled_deployment_can_still_be_read(platform, sdk, plain):
    created = platform.deploy(plain)
    execution_id = sdk.trigger_endpoint(created["name"], created["endpoint_token"])["execution_id"]
    sdk.update_deployment(created["name"], is_enabled=False)
    results = sdk.retrieve_endpoint_results(created["name"], execution_id, created["endpoint_token"])
    assert results["outputs"]["out"] == "x1"


def test_the_token_of_one_endpoint_opens_no_other(platform, sdk, plain):
    mine, other = platform.deploy(plain), platform.deploy(plain)
    execution_id = sdk.trigger_endpoint(other["name"], other["endpoint_token"])["execution_id"]
    with pytest.raises(SdkException) as caught:
        sdk.trigger_endpoint(other["name"], mine["endpoint_token"])
    assert caught.value.status_code in (401, 403)
    with pytest.raises(SdkException) as caught:
        sdk.retrieve_endpoint_results(mine["name"], execution_id, mine["endpoint_token"])
    assert caught.value.status_code == 404


def test_a_low_latency_deployment_that_cannot_start_says_why_in_its_logs(platform, sdk):
    pipeline = platform.create_pipeline("raise RuntimeError('no whale in sight')\ndef main(): return {}")
    name = f"d-{uuid.uuid4().hex[:8]}"
    with pytest.raises(SdkException) as caught:
        sdk.create_deployment(pipeline, name, "endpoint", "low_latency", timeout_s=120)
    assert caught.value.name == "CreationFailedException"
    assert sdk.get_deployment(name)["status"] == "creation_failed"
    log = "\n".join(line["message"] for line in sdk.get_deployment_logs(name))
    assert "RuntimeError: no whale in sight" in log
    with pytest.raises(SdkException) as caught:
        sdk.trigger_endpoint(name)
    assert 400 <= caught.value.status_code < 500
    assert sdk.delete_deployment(name)["name"] == name


def test_the_log_of_a_deployment_has_what_its_pod_printed_outside_of_executions(platform, sdk):
    pipeline = platform.create_pipeline(
        """
        import sys
        print("loading the model")
        print("a warning", file=sys.stderr)
        def main():
            print("inside")
        """
    )
    created = platform.deploy(pipeline, "low_latency")
    execution_id = sdk.trigger_endpoint(created["name"])["execution_id"]
    lines = sdk.get_deployment_logs(created["name"])
    by_message = {line["message"]: line for line in lines}
    assert by_message["loading the model"]["stream"] == "stdout"
    assert by_message["a warning"]["stream"] == "stderr"
    assert by_message["loading the model"]["pod_id"] == created["pods"][0]["pod_id"]
    assert {line["type"] for line in lines} == {"deployment"}
    assert all(INSTANT.fullmatch(line["timestamp"]) for line in lines)
    assert "inside" not in by_message
    assert [line["message"] for line in sdk.get_pipeline_execution_logs(execution_id)] == ["inside"]
    assert sdk.get_deployment_logs(created["name"], limit=1) == lines[:1]
    last = datetime.fromisoformat(lines[-1]["timestamp"])
    assert sdk.get_deployment_logs(created["name"], from_datetime=last + timedelta(milliseconds=1)) == []
    until = sdk.get_deployment_logs(created["name"], to_datetime=last)
    assert until == [line for line in lines if line["timestamp"] < lines[-1]["timestamp"]]


def test_an_execution_that_takes_longer_than_its_timeout_fails_with_that_reason(platform, sdk, gate):
    pipeline = platform.create_pipeline(
        """
        import asyncio
        async def main(wait):
            if wait:
                await asyncio.Event().wait()
            return {}
        """,
        [Input("wait", "boolean", default_value=False)],
    )
    for mode in ("elastic", "low_latency"):
        created = platform.deploy(pipeline, mode, execution_timeout_s=1)
        with pytest.raises(SdkException) as caught:
            sdk.trigger_endpoint(created["name"], inputs={"wait": True})
        assert caught.value.additional_data["status"] == "Failed"
        assert "1 s" in caught.value.message
        assert sdk.trigger_endpoint(created["name"])["outputs"] == {}


def test_updating_nothing_or_too_much_is_refused_with_a_reason(platform, sdk, plain):
    created = platform.deploy(plain)
    with pytest.raises(SdkException) as caught:
        sdk.update_deployment(created["name"])
    assert caught.value.status_code == 400
    assert sdk.get_deployment(created["name"]) == created
