"""Deployments: created, looked at, changed, deleted."""

import pytest

from tests.compat.clients.proxies import ClientError
from tests.compat.clients.values import InputSource, Made, Member, OutputDestination
from tests.compat.scenarios.marks import new_alone, old_alone, proves
from tests.compat.scenarios.usage import ENDPOINT, INSTANT, PERIODIC, create, deploy, fresh, refused

EVERY_TWO_MINUTES = {"schedule": "*/2 * * * *", "human_readable_schedule": "Every 2 minutes"}


@proves("create_deployment", "get_deployment", "trigger_endpoint")
def test_an_elastic_deployment_is_up_when_create_deployment_returns(client, echo):
    name = fresh("d")
    created = client.create_deployment(
        pipeline_name=echo,
        deployment_name=name,
        execution_rule=Member("DEPLOYMENT_EXECUTION_RULES", "ENDPOINT"),
        mode=Member("DEPLOYMENT_MODES", "ELASTIC"),
        inputs_mapping=[],
        outputs_mapping=[],
        description="descr é",
    )
    found = client.get_deployment(name)
    if client.is_old:
        assert created == {"name": name, "endpoint_token": found["endpoint_token"]}
    else:
        assert created == found
    assert (found["name"], found["mode"], found["execution_rule"]) == (name, "elastic", "endpoint")
    assert found["pipeline"] == {"name": echo}
    assert (found["status"], found["is_enabled"], found["description"]) == ("up", True, "descr é")
    assert found["last_execution_id"] is None
    assert INSTANT.fullmatch(found["created_at"])
    assert INSTANT.fullmatch(found["updated_at"])
    assert [one["endpoint_input_name"] for one in found["inputs_mapping"]][:2] == ["string", "number"]
    answer = client.trigger_endpoint(name, created["endpoint_token"], {"number": 3})
    assert client.get_deployment(name)["last_execution_id"] == answer["execution_id"]
    assert refused(client.get_deployment, "no-such-deployment").status_code == 404


@proves("create_deployment", "get_deployment", "trigger_endpoint")
def test_every_kind_of_mapping_comes_back_and_holds(client, echo):
    created = deploy(
        client,
        echo,
        inputs_mapping=[
            InputSource("string", constant_value="salt"),
            InputSource("number", endpoint_input_name="n_ep", is_required=True),
            InputSource("boolean", endpoint_input_name="b_ep", default_value=False),
            InputSource("array", is_null=True),
        ],
        outputs_mapping=[
            OutputDestination("string", endpoint_output_name="s_ep"),
            OutputDestination("json", is_null=True),
        ],
    )
    found = client.get_deployment(created.name)
    inputs = {one["pipeline_input_name"]: one for one in found["inputs_mapping"]}
    assert inputs["string"]["constant_value"] == "salt"
    assert (inputs["number"]["endpoint_input_name"], inputs["number"]["is_required"]) == ("n_ep", True)
    assert inputs["boolean"]["default_value"] is False
    assert inputs["array"]["is_null"] is True
    assert found["outputs_mapping"][0]["endpoint_output_name"] == "s_ep"
    outputs = client.trigger_endpoint(created.name, created.token, {"n_ep": 4})["outputs"]
    assert outputs == {"s_ep": "salt", "number": 4, "boolean": False, "array": None}
    error = refused(client.trigger_endpoint, created.name, created.token, {})
    assert (error.status_code, error.name) == (400, "InvalidInput")
    assert "n_ep" in error.message


@proves("create_deployment", "get_deployment", "trigger_endpoint", "get_deployment_logs")
def test_a_low_latency_deployment_has_its_pod_when_create_deployment_returns(client, tmp_path):
    pipeline = create(client, tmp_path, "print('the sea is calm')\ndef main(): return {}")
    created = deploy(
        client,
        pipeline,
        "low_latency",
        enable_parallel_executions=True,
        max_parallel_executions_per_pod=3,
        ram_request="512MiB",
    )
    found = client.get_deployment(created.name)
    assert (found["status"], found["mode"]) == ("up", "low_latency")
    assert found["enable_parallel_executions"] is True
    assert found["max_parallel_executions_per_pod"] == 3
    (pod,) = found["pods"]
    assert set(pod) == {"pod_id", "status"}
    assert client.trigger_endpoint(created.name, created.token)["outputs"] == {}
    (line,) = [line for line in client.get_deployment_logs(created.name) if line["message"] == "the sea is calm"]
    assert (line["stream"], line["type"], line["pod_id"]) == ("stdout", "deployment", pod["pod_id"])
    assert client.get_deployment_logs(created.name, limit=1) == client.get_deployment_logs(created.name)[:1]


@proves("create_deployment", "get_deployment", "get_deployment_logs")
def test_a_low_latency_deployment_that_cannot_start_says_why(client, tmp_path):
    pipeline = create(client, tmp_path, "raise RuntimeError('no whale in sight')\ndef main(): return {}")
    name = fresh("d")
    error = refused(client.create_deployment, pipeline, name, ENDPOINT, "low_latency")
    assert error.name == ("CreationFailed" if client.is_old else "CreationFailedException")
    if client.is_old:
        assert "RuntimeError: no whale in sight" in error.message
    assert client.get_deployment(name)["status"] == "creation_failed"
    log = "\n".join(line["message"] for line in client.get_deployment_logs(name))
    assert "RuntimeError: no whale in sight" in log


@proves("create_deployment", "list_deployments")
def test_what_cannot_be_meant_is_refused_by_its_field_and_creates_nothing(client, echo):
    before = client.list_deployments()
    for options, field in (
        ({"ram_request": "512MB"}, "ram_request"),
        ({"inputs_mapping": [InputSource("whale", constant_value=1)]}, "whale"),
        ({"inputs_mapping": [InputSource("number", constant_value="three")]}, "constant_value"),
        ({"outputs_mapping": [OutputDestination("whale", is_null=True)]}, "whale"),
    ):
        error = refused(client.create_deployment, echo, fresh("d"), ENDPOINT, "low_latency", **options)
        assert (error.status_code, error.name) == (400, "InvalidInput")
        assert field in error.message
    assert refused(client.create_deployment, "no-such-pipeline", fresh("d"), ENDPOINT).status_code == 404
    assert client.list_deployments() == before


@proves("create_deployment")
def test_the_client_itself_refuses_what_can_never_be(client, echo):
    for arguments, options in (
        ((echo, "d", "by hand"), {}),
        ((echo, "d", ENDPOINT, "lukewarm"), {}),
        ((echo, "d", ENDPOINT), {"schedule": "* * * * *"}),
        *([((echo, "d", ENDPOINT), {"timeout_s": 119})] if client.is_old else []),
    ):
        with pytest.raises(ClientError) as caught:
            client.create_deployment(*arguments, **options)
        assert caught.value.kind == "ValueError"


@proves("create_deployment", "list_deployments", "delete_deployment")
def test_deployments_are_listed_and_deleted(client, echo):
    name = deploy(client, echo).name
    (row,) = [row for row in client.list_deployments() if row["name"] == name]
    assert (row["pipeline_name"], row["execution_rule"], row["mode"]) == (echo, "endpoint", "elastic")
    assert row["is_enabled"] is True
    assert client.delete_deployment(name) == {"name": name, "execution_rule": "endpoint"}
    assert name not in [row["name"] for row in client.list_deployments()]
    assert refused(client.delete_deployment, name).status_code == 404


@proves("update_deployment", "create_deployment", "trigger_endpoint")
def test_a_disabled_deployment_refuses_calls_until_it_is_enabled(client, echo):
    created = deploy(client, echo)
    disabled = client.update_deployment(created.name, is_enabled=False)
    assert (disabled["is_enabled"], disabled["status"]) == (False, "disabled")
    assert refused(client.trigger_endpoint, created.name, created.token).name == "Conflict"
    enabled = client.update_deployment(created.name, is_enabled=True)
    assert (enabled["is_enabled"], enabled["status"]) == (True, "up")
    assert client.trigger_endpoint(created.name, created.token, {"number": 1})["outputs"]["number"] == 1


@proves("update_deployment", "create_deployment", "trigger_endpoint")
def test_a_constant_of_a_mapping_is_updated(client, echo):
    created = deploy(client, echo, inputs_mapping=[InputSource("string", constant_value="before")])
    updated = client.update_deployment(created.name, inputs_mapping=[InputSource("string", constant_value="after")])
    assert updated["inputs_mapping"][0]["constant_value"] == "after"
    assert client.trigger_endpoint(created.name, created.token)["outputs"]["string"] == "after"


@proves("create_deployment", "get_deployment", "delete_deployment")
def test_a_periodic_deployment_tells_its_schedule(client, echo):
    name = fresh("d")
    mapping = [InputSource(kind, is_null=True) for kind in ("string", "number", "boolean", "json", "array")]
    destinations = [OutputDestination(kind, is_null=True) for kind in ("string", "number", "boolean", "json", "array")]
    created = client.create_deployment(
        echo, name, PERIODIC, schedule="*/2 * * * *", inputs_mapping=mapping, outputs_mapping=destinations
    )
    found = client.get_deployment(name)
    if client.is_old:
        assert created == {"name": name} | EVERY_TWO_MINUTES
    assert {key: found[key] for key in EVERY_TWO_MINUTES} == EVERY_TWO_MINUTES
    assert found["execution_rule"] == "periodic"
    assert "endpoint_token" not in found
    assert client.delete_deployment(name) == {"name": name, "execution_rule": "periodic"}


@new_alone
@proves("create_deployment", "update_deployment")
def test_the_schedule_of_a_periodic_deployment_is_updated(client, tmp_path):
    pipeline = create(client, tmp_path, "def main(): return {}")
    name = fresh("d")
    client.create_deployment(pipeline, name, PERIODIC, schedule="0 0 1 1 *")
    updated = client.update_deployment(name, schedule="*/2 * * * *")
    assert {key: updated[key] for key in EVERY_TWO_MINUTES} == EVERY_TWO_MINUTES


@proves("create_deployment", "list_deployments")
def test_a_periodic_deployment_needs_a_schedule_and_every_mapping(client, echo):
    before = client.list_deployments()
    for options, field in (
        ({}, "schedule"),
        ({"schedule": "every day"}, "schedule"),
        ({"schedule": "0 0 * * *"}, "map"),
    ):
        error = refused(client.create_deployment, echo, fresh("d"), PERIODIC, **options)
        assert error.status_code == 400
        assert field in error.message
    assert client.list_deployments() == before


@old_alone
@proves("create_deployment", "trigger_endpoint")
def test_mappings_may_name_the_inputs_and_outputs_of_a_step(client, echo):
    created = deploy(
        client,
        echo,
        inputs_mapping=[Made("InputSource", (), {"step_input_name": "number", "constant_value": 7})],
        outputs_mapping=[
            Made("OutputDestination", (), {"step_output_name": "number", "endpoint_output_name": "seven"})
        ],
    )
    assert client.trigger_endpoint(created.name, created.token)["outputs"]["seven"] == 7
