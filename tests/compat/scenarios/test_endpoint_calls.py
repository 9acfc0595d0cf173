"""Endpoints: called with values and files, by either token, now or later; their tokens replaced."""

import pytest

from tests.compat.clients.values import Input, Output, OutputDestination, Stream
from tests.compat.scenarios.marks import new_alone, proves
from tests.compat.scenarios.usage import create, deploy, refused, start

VALUES = {"string": "é 🐋 \"'&=", "number": 1.5, "boolean": True, "json": {"value": 1, "url": "http://x"}, "array": [1]}
LONE_FILE = [OutputDestination(name, is_null=True) for name in ("size", "said")]


@proves("trigger_endpoint", "create_deployment")
@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_values_of_every_type_go_in_and_come_out(client, echo, mode):
    deployed = deploy(client, echo, mode)
    for values in (VALUES, {"string": "", "number": 0, "boolean": False, "json": {"url": None}, "array": [[], {}]}):
        answer = client.trigger_endpoint(deployed.name, deployed.token, values)
        assert answer["outputs"] == values
        assert answer["execution_id"]


@new_alone
@proves("trigger_endpoint", "retrieve_endpoint_results")
def test_the_sdk_token_opens_every_endpoint(client, files):
    deployed = deploy(client, files)
    answer = client.trigger_endpoint(deployed.name, inputs={"f": b"abc", "s": "12"})
    assert answer["outputs"] == {"copy": b"cba", "size": 3, "said": "12"}
    assert client.retrieve_endpoint_results(deployed.name, answer["execution_id"]) == answer


@proves("trigger_endpoint", "create_deployment")
def test_a_lone_file_output_arrives_as_bytes(client, files):
    deployed = deploy(client, files, outputs_mapping=LONE_FILE)
    answer = client.trigger_endpoint(deployed.name, deployed.token, {"f": Stream(b"\x00\xffabc")})
    assert answer["outputs"] == {"copy": b"cba\xff\x00"}
    assert client.trigger_endpoint(deployed.name, deployed.token, {"f": Stream(b"")})["outputs"] == {"copy": b""}


@proves("trigger_endpoint", "create_deployment")
def test_files_and_values_go_together_where_the_client_can(client, files):
    deployed = deploy(client, files)
    for said in ("txt", "12", "null", '"quoted"'):
        inputs = {"f": Stream(b"abc"), "s": said}
        answer = client.trigger_endpoint(deployed.name, deployed.token, inputs)
        if client.is_old:  # it sends no values beside files, and gets the address of a file beside values
            assert answer["outputs"] | {"copy": ...} == {"copy": ..., "size": 3, "said": None}
            assert answer["outputs"]["copy"].endswith(f"/executions/{answer['execution_id']}/outputs/copy")
            return
        assert answer["outputs"] == {"copy": b"cba", "size": 3, "said": said}


@proves("trigger_endpoint", "create_pipeline")
def test_a_file_output_that_is_none_is_none(client, tmp_path):
    pipeline = create(client, tmp_path, "def main(): return {'of': None}", outputs=[Output("of", "file")])
    deployed = deploy(client, pipeline)
    assert client.trigger_endpoint(deployed.name, deployed.token)["outputs"] == {"of": None}


@proves("trigger_endpoint", "retrieve_endpoint_results")
def test_a_call_is_made_now_and_its_results_fetched_later(client, waiting, gate):
    deployed = deploy(client, waiting)
    execution_id = start(client, deployed, {"gate": gate.url, "name": "later"})
    gate.await_arrivals("later")
    gate.open("later")
    results = client.retrieve_endpoint_results(deployed.name, execution_id, deployed.token)
    assert (results["execution_id"], results["outputs"]) == (execution_id, {"name": "later"})
    assert client.retrieve_endpoint_results(deployed.name, execution_id, deployed.token) == results


@proves("trigger_endpoint", "get_pipeline_execution")
def test_a_failing_execution_raises_the_users_error(client, failing):
    deployed = deploy(client, failing)
    error = refused(client.trigger_endpoint, deployed.name, deployed.token)
    assert (error.status_code, error.name) == (500, "ExecutionFailed")
    assert "the sea is too salty" in error.message
    execution = client.get_pipeline_execution(error.additional_data["execution_id"])
    assert (execution["status"], execution["deployment_name"]) == ("Failed", deployed.name)


@proves("trigger_endpoint", "get_deployment")
def test_inputs_that_do_not_fit_are_refused_before_anything_is_queued(client, tmp_path):
    pipeline = create(client, tmp_path, "def main(n): return {}", [Input("n", "number", is_required=True)])
    deployed = deploy(client, pipeline)
    for inputs in ({}, {"n": "three"}):
        error = refused(client.trigger_endpoint, deployed.name, deployed.token, inputs)
        assert (error.status_code, error.additional_data) == (400, {"field": "n"})
    assert client.get_deployment(deployed.name)["last_execution_id"] is None


@proves("trigger_endpoint", "retrieve_endpoint_results")
def test_the_token_of_one_endpoint_opens_no_other(client, echo):
    mine, other = deploy(client, echo), deploy(client, echo)
    execution_id = client.trigger_endpoint(other.name, other.token)["execution_id"]
    error = refused(client.trigger_endpoint, other.name, mine.token)
    assert (error.status_code, error.name) == (401, "Authentication")
    assert refused(client.retrieve_endpoint_results, mine.name, execution_id, mine.token).status_code == 404


@proves("generate_new_endpoint_token", "trigger_endpoint")
def test_a_new_token_kills_the_old_one(client, echo):
    deployed = deploy(client, echo)
    generated = client.generate_new_endpoint_token(deployed.name)
    assert set(generated) == {"endpoint_token"}
    token = generated["endpoint_token"]
    assert client.trigger_endpoint(deployed.name, token, {"number": 1})["outputs"]["number"] == 1
    assert refused(client.trigger_endpoint, deployed.name, deployed.token).status_code == 401


@new_alone
@proves("generate_new_endpoint_token", "create_deployment", "trigger_endpoint")
def test_path_and_token_of_an_endpoint_can_be_chosen(client, echo):
    chosen = {"endpoint_url_path": "salty-sea", "endpoint_token": "chosen-token-1~._"}
    deployed = deploy(client, echo, **chosen)
    assert deployed.token == chosen["endpoint_token"]
    assert client.trigger_endpoint(deployed.name, deployed.token, {"number": 1})["outputs"]["number"] == 1
    assert client.generate_new_endpoint_token(deployed.name, "chosen-token-2") == {"endpoint_token": "chosen-token-2"}
    assert refused(client.generate_new_endpoint_token, deployed.name, "a+b/c=d&e f").status_code == 400
    assert client.trigger_endpoint(deployed.name, "chosen-token-2", {"number": 2})["outputs"]["number"] == 2
