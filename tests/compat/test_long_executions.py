"""Executions that outlast one hold of the server, called without the public client, on a server whose hold is short."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.compat.conftest import WAITING, WAITING_INPUTS, WAITING_OUTPUTS
from tests.compat.gates import DOORS, opened_gate

HOLDS = 2  # that every caller has seen pass before its execution may end


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
    pipeline = impatient.create_pipeline(WAITING, WAITING_INPUTS, WAITING_OUTPUTS, files={"doors.py": DOORS})
    deployment = impatient.deploy(pipeline, "low_latency", enable_parallel_executions=True)
    header = {"Authorization": f"EndpointToken {deployment['endpoint_token']}"}
    with ThreadPoolExecutor(8) as threads, opened_gate() as gate:

        def inputs(way):
            return {"gate": gate.url, "name": way}

        ways = {
            "curl": lambda way: _curl(impatient, deployment, inputs(way)),
            "httpx": lambda way: impatient.call(deployment, inputs(way), follow_redirects=True),
            "not followed": lambda way: impatient.call(deployment, inputs(way)),
        }
        calls = {way: threads.submit(call, way) for way, call in ways.items()}
        gate.await_arrivals(*ways)
        newest = impatient.sdk.list_pipeline_executions(pipeline)[0]["execution_id"]
        _let_holds_pass(impatient, newest)
        gate.open()
        found = {way: call.result() for way, call in calls.items()}
        location = found["not followed"].headers["location"]
        found["followed by hand"] = httpx.get(location, headers=header)
        found["followed without the header"] = httpx.get(location)
    return found


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
