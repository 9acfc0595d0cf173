"""Executions, builds and starts that outlast one hold of the server, on a server whose hold is short."""

import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from craft_ai_sdk import Output

from tests.compat.conftest import WAITING, WAITING_INPUTS
from tests.compat.gates import DOORS, opened_gate
from tests.platforms import Platform

HOLDS = 2  # that every caller has seen pass before its execution may end


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A server that holds an answer for one second at most."""
    running = Platform(tmp_path_factory.mktemp("impatient"), wait_hold_s=1).start()
    yield running
    running.stop()
    assert running.processes() == []


def _curl(platform, deployment, inputs):
    command = ["curl", "-sSL", "-d", httpx.Request("POST", platform.url, json=inputs).read().decode()]
    command += ["-H", f"Authorization: EndpointToken {deployment['endpoint_token']}"]
    command += ["-w", "\n%{http_code} %{num_redirects}", f"{platform.url}/endpoints/{deployment['name']}"]
    body, _, status = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rpartition("\n")
    code, redirects = status.split()
    return httpx.Response(int(code), text=body), int(redirects)


def _let_holds_pass(platform, execution_id):
    """Return when every call that was under way before has been held that often."""
    with platform.http() as client:
        for _ in range(HOLDS):
            answer = client.get(f"/api/v1/executions/{execution_id}/outputs?wait_for_completion=true")
            assert answer.status_code == 307
            assert answer.headers["location"].endswith(f"/executions/{execution_id}/outputs?wait_for_completion=true")


@pytest.fixture(scope="module")
def answers(impatient):
    """What each way of calling got for an execution of several holds, all of them called at once."""
    source = WAITING.replace('{"name": name}', '{"name": name, "of": {"path": "main.py"}}')
    outputs = [Output("name", "string"), Output("of", "file")]
    pipeline = impatient.create_pipeline(source, WAITING_INPUTS, outputs, files={"doors.py": DOORS})
    deployment = impatient.deploy(pipeline, "low_latency", enable_parallel_executions=True)
    name, token, sdk = deployment["name"], deployment["endpoint_token"], impatient.sdk
    header = {"Authorization": f"EndpointToken {token}"}
    with ThreadPoolExecutor(8) as threads, opened_gate() as gate:

        def inputs(way):
            return {"gate": gate.url, "name": way}

        ways = {
            "SDK token": lambda way: sdk.trigger_endpoint(name, inputs=inputs(way)),
            "endpoint token": lambda way: sdk.trigger_endpoint(name, token, inputs(way)),
            "run": lambda way: sdk.run_pipeline(pipeline, inputs(way)),
            "curl": lambda way: _curl(impatient, deployment, inputs(way)),
            "httpx": lambda way: impatient.call(deployment, inputs(way), follow_redirects=True),
            "not followed": lambda way: impatient.call(deployment, inputs(way)),
        }
        sdk.who_am_i()  # so that the threads share one access token
        calls = {way: threads.submit(call, way) for way, call in ways.items()}
        gate.await_arrivals(*ways)
        newest = sdk.list_pipeline_executions(pipeline)[0]["execution_id"]
        _let_holds_pass(impatient, newest)
        gate.open()
        found = {way: call.result() for way, call in calls.items()}
        location = found["not followed"].headers["location"]
        found["followed by hand"] = httpx.get(location, headers=header)
        found["followed without the header"] = httpx.get(location)
    return found


@pytest.mark.parametrize("way", ["SDK token", "endpoint token", "run"])
def test_the_public_client_waits_through_many_holds(answers, way):
    outputs = answers[way]["outputs"]
    assert outputs["name"] == way
    assert outputs["of"].startswith(b"\nfrom doors import knock\n")


def test_curl_follows_the_redirects_to_the_result(answers):
    answer, redirects = answers["curl"]
    assert redirects >= HOLDS
    assert answer.status_code == 200
    assert answer.json()["outputs"]["name"] == "curl"


def test_a_plain_client_follows_the_redirects_to_the_result(answers):
    answer = answers["httpx"]
    assert answer.status_code == 200
    assert len(answer.history) >= HOLDS
    assert {one.status_code for one in answer.history} == {303}
    assert answer.json()["outputs"]["name"] == "httpx"


def test_a_call_that_outlasts_the_hold_is_redirected_to_its_result(answers):
    answer = answers["not followed"]
    assert answer.status_code == 303
    execution_id = answer.json()["execution_id"]
    assert answer.headers["craft-ai-execution-id"] == execution_id
    assert f"/executions/{execution_id}" in answer.headers["location"]
    for way in ("followed by hand", "followed without the header"):  # the token travels in the URL
        assert answers[way].status_code == 200
        assert answers[way].json()["outputs"]["name"] == "not followed"


def test_the_public_client_waits_for_a_pod_that_takes_longer_than_a_hold_to_start(impatient):
    with ThreadPoolExecutor(1) as threads, opened_gate() as gate:
        impatient.sdk.create_or_update_environment_variable("GATE", gate.url)
        source = "import os, doors\ndoors.knock(os.environ['GATE'], 'import')\ndef main(): return {}"
        pipeline = impatient.create_pipeline(source, files={"doors.py": DOORS})
        name = f"d-{uuid.uuid4().hex[:8]}"
        created = threads.submit(impatient.sdk.create_deployment, pipeline, name, "endpoint", "low_latency")
        gate.await_arrivals("import")
        with impatient.http() as client:
            answer = client.get(f"/api/v1/deployments/{name}?wait_for_completion=true")
        assert 200 <= answer.status_code < 400
        assert answer.json()["status"] == "creation_pending"
        gate.open("import")
        assert created.result()["status"] == "up"
