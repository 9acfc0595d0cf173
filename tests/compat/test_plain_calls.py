"""Endpoints called by those who have no client: httpx, and curl as a user types it."""

import json
import subprocess

import httpx
import pytest
from craft_ai_sdk import Input, Output


@pytest.fixture(scope="module")
def mixed(platform):
    """Values of every type and no file output."""
    types = {"s": "string", "n": "number", "b": "boolean", "j": "json", "a": "array"}
    return platform.create_pipeline(
        "def main(**inputs): return inputs",
        [Input(name, kind) for name, kind in types.items()],
        [Output(name, kind) for name, kind in types.items()],
    )


@pytest.fixture(scope="module")
def reverse(platform):
    """One file in, one file out, nothing else."""
    return platform.create_pipeline(
        """
        def main(f):
            with open(f["path"], "rb") as file, open("turned", "wb") as target:
                target.write(file.read()[::-1])
            return {"turned": {"path": "turned"}}
        """,
        [Input("f", "file", is_required=True)],
        [Output("turned", "file")],
    )


def _url(platform, deployment):
    return f"{platform.url}/endpoints/{deployment['endpoint_url_path']}"


def _curl(platform, deployment, *options, token=True):
    """The body and the status of a call with curl."""
    command = ["curl", "-sS", "-w", "\n%{http_code}", *options, _url(platform, deployment)]
    if token:
        command += ["-H", f"Authorization: EndpointToken {deployment['endpoint_token']}"]
    printed = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    body, _, status = printed.rpartition(b"\n")
    return body, int(status)


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_a_call_is_answered_with_its_result_in_one_round_trip(platform, mixed, mode):
    deployment = platform.deploy(mixed, mode)
    values = {"s": "é 🐋", "n": 1.5, "b": False, "j": {"value": 1, "url": "http://x"}, "a": [1, "x", None]}
    answer = platform.call(deployment, values)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert set(body) == {"status", "execution_id", "outputs", "output"}
    assert body["status"] == "Succeeded"
    assert body["outputs"] == body["output"] == values
    assert answer.headers["craft-ai-execution-id"] == body["execution_id"]
    assert platform.sdk.get_pipeline_execution(body["execution_id"])["status"] == "Succeeded"


def test_curl_sends_json_and_gets_json(platform, mixed):
    deployment = platform.deploy(mixed)
    body, status = _curl(platform, deployment, "-d", '{"n": 4}', "-H", "Content-Type: application/json")
    assert status == 200
    assert json.loads(body)["outputs"]["n"] == 4


@pytest.mark.parametrize("data", ["{}", '{"n": 4}', ""])
def test_curl_needs_no_content_type(platform, mixed, data):
    deployment = platform.deploy(mixed)
    body, status = _curl(platform, deployment, "-L", "-d", data)
    assert status == 200
    assert json.loads(body)["outputs"]["n"] == (4 if data and "n" in data else None)


def test_a_call_without_a_body_has_no_inputs(platform, mixed):
    deployment = platform.deploy(mixed)
    assert platform.call(deployment).json()["outputs"]["n"] is None
    body, status = _curl(platform, deployment, "-X", "POST")
    assert status == 200
    assert json.loads(body)["outputs"]["n"] is None
    answer = platform.call(deployment, content=b"null", headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_curl_sends_files_and_fields_as_a_form(platform, tmp_path):
    types = {"s": "string", "t": "string", "n": "number", "b": "boolean", "j": "json"}
    name = platform.create_pipeline(
        "def main(f, **inputs):\n    with open(f['path']) as file: return {**inputs, 'content': file.read()}",
        [Input("f", "file"), *(Input(key, kind) for key, kind in types.items())],
        [Output("content", "string"), *(Output(key, kind) for key, kind in types.items())],
    )
    (tmp_path / "note.txt").write_text("seagull")
    form = ["-F", f"f=@{tmp_path / 'note.txt'}", "-F", "s=hello", "-F", "t=12", "-F", "n=4", "-F", "b=true"]
    body, status = _curl(platform, platform.deploy(name), *form, "-F", 'j={"a": 1}')
    assert status == 200
    assert json.loads(body)["outputs"] == {
        "content": "seagull",
        "s": "hello",
        "t": "12",
        "n": 4,
        "b": True,
        "j": {"a": 1},
    }


def test_a_form_needs_no_file(platform, mixed):
    body, status = _curl(platform, platform.deploy(mixed), "-F", "s=hello", "-F", "n=4")
    assert status == 200
    outputs = json.loads(body)["outputs"]
    assert (outputs["s"], outputs["n"]) == ("hello", 4)


def test_httpx_sends_files_and_fields_as_a_form(platform, files):
    deployment = platform.deploy(files)
    answer = platform.call(deployment, files={"f": ("a.bin", b"abc", "application/pdf")}, data={"s": "hello"})
    assert answer.status_code == 200
    outputs = answer.json()["outputs"]
    assert (outputs["size"], outputs["said"]) == (3, "hello")


def test_a_file_among_other_outputs_is_a_link(platform, files):
    deployment = platform.deploy(files)
    outputs = platform.call(deployment, files={"f": b"abc"}).json()["outputs"]
    header = {"Authorization": f"EndpointToken {deployment['endpoint_token']}"}
    for answer in (
        httpx.get(outputs["copy"], headers=header),
        httpx.get(outputs["copy"], params={"token": deployment["endpoint_token"]}),
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/octet-stream")
        assert answer.content == b"cba"
    assert httpx.get(outputs["copy"]).status_code in (401, 403)


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_a_lone_file_output_is_the_answer(platform, reverse, mode):
    deployment = platform.deploy(reverse, mode)
    answer = platform.call(deployment, files={"f": b"\x00abc"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/octet-stream")
    assert answer.content == b"cba\x00"
    execution_id = answer.headers["craft-ai-execution-id"]
    # As clients of the product page's generation read the name of the output.
    assert answer.headers["content-disposition"].split(f"_{execution_id}_")[1] == "turned"


def test_curl_saves_a_lone_file_output(platform, reverse, tmp_path):
    (tmp_path / "in").write_bytes(bytes(range(256)))
    form = ["-F", f"f=@{tmp_path / 'in'}", "-o", str(tmp_path / "out")]
    _, status = _curl(platform, platform.deploy(reverse), *form)
    assert status == 200
    assert (tmp_path / "out").read_bytes() == bytes(range(256))[::-1]


def test_respond_async_is_answered_at_once_with_the_place_of_the_result(platform, waiting, gate):
    deployment = platform.deploy(waiting)
    inputs = {"gate": gate.url, "name": "async"}
    answer = platform.call(deployment, inputs, headers={"Prefer": "respond-async"})
    assert answer.status_code == 303
    execution_id = answer.json()["execution_id"]
    assert answer.headers["craft-ai-execution-id"] == execution_id
    gate.await_arrivals("async")
    gate.open()
    result = httpx.get(answer.headers["location"], follow_redirects=True, timeout=60)
    assert result.status_code == 200
    assert result.json()["outputs"] == {"name": "async"}
    assert result.json()["execution_id"] == execution_id


@pytest.mark.parametrize("prefer", ["wait=0", "wait=1", "wait = 1", "respond-async, wait=1"])
def test_the_caller_chooses_how_long_it_is_held(platform, waiting, gate, prefer):
    deployment = platform.deploy(waiting)
    inputs = {"gate": gate.url, "name": "held"}
    answer = platform.call(deployment, inputs, headers={"Prefer": prefer})
    assert answer.status_code == 303  # although the execution has not ended
    gate.open()
    assert httpx.get(answer.headers["location"], timeout=60).json()["outputs"] == {"name": "held"}


def test_a_result_that_comes_within_the_wished_hold_is_the_answer(platform, mixed):
    answer = platform.call(platform.deploy(mixed), {"n": 1}, headers={"Prefer": "wait=40"})
    assert answer.status_code == 200


def test_callers_that_say_they_are_the_client_are_answered_at_once(platform, waiting, gate):
    deployment = platform.deploy(waiting)
    inputs = {"gate": gate.url, "name": "client"}
    answer = platform.call(deployment, inputs, headers={"craft-ai-client": "craft-ai-sdk@0.74.7"})
    assert answer.status_code == 303
    assert answer.headers["craft-ai-execution-id"] == answer.json()["execution_id"]
    assert set(answer.json()) == {"execution_id"}
    gate.open()


def test_the_versioned_result_wraps_every_value(platform, files):
    deployment = platform.deploy(files)
    called = platform.call(deployment, files={"f": b"abc"})
    url = f"{platform.url}/endpoints/v1/{deployment['endpoint_url_path']}/executions/{called.json()['execution_id']}"
    for answer in (
        httpx.get(url, params={"token": deployment["endpoint_token"]}),
        httpx.get(url, headers={"Authorization": f"EndpointToken {deployment['endpoint_token']}"}),
    ):
        assert answer.status_code == 200
        body = answer.json()
        assert body["status"] == "Succeeded"
        assert body["outputs"]["size"] == {"value": 3}
        assert body["outputs"]["said"] == {"value": None}
        assert body["outputs"]["copy"] == {"url": f"{url}/outputs/copy"}
    file = httpx.get(f"{body['outputs']['copy']['url']}?token={deployment['endpoint_token']}")
    assert (file.status_code, file.content) == (200, b"cba")


def test_the_unversioned_result_has_the_shape_of_the_call(platform, mixed):
    deployment = platform.deploy(mixed)
    called = platform.call(deployment, {"n": 1}).json()
    url = f"{_url(platform, deployment)}/executions/{called['execution_id']}"
    assert httpx.get(url, params={"token": deployment["endpoint_token"]}).json() == called


def test_the_public_address_is_the_one_that_was_called(platform, mixed):
    deployment = platform.deploy(mixed)
    answer = platform.call(deployment, {}, headers={"Prefer": "respond-async", "Host": "my.host:1234"})
    assert answer.headers["location"].startswith(f"http://my.host:1234/endpoints/{deployment['endpoint_url_path']}/")


def test_a_failed_execution_is_a_500_with_the_reason(platform, failing):
    deployment = platform.deploy(failing)
    answer = platform.call(deployment)
    assert answer.status_code == 500
    body = answer.json()
    assert body["name"] == "ExecutionFailed"
    assert "the sea is too salty" in body["message"]
    assert body["additional_data"]["status"] == "Failed"
    url = f"{_url(platform, deployment)}/executions/{body['additional_data']['execution_id']}"
    again = httpx.get(url, params={"token": deployment["endpoint_token"]})
    assert (again.status_code, again.json()["message"]) == (500, body["message"])


def test_an_access_token_opens_the_endpoint_too(platform, mixed):
    deployment = platform.deploy(mixed)
    with platform.http() as client:
        answer = client.post(f"/endpoints/{deployment['endpoint_url_path']}", json={"n": 1})
    assert answer.status_code == 200
    assert answer.json()["outputs"]["n"] == 1


@pytest.mark.parametrize(
    "header",
    [None, "EndpointToken wrong", "EndpointToken", "Bearer wrong", "Basic eDp5", "nonsense"],
)
def test_a_call_without_the_right_token_is_refused(platform, mixed, header):
    deployment = platform.deploy(mixed)
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.post(_url(platform, deployment), headers=headers, json={})
    assert answer.status_code in (401, 403)
    assert answer.json()["message"]
    assert platform.sdk.get_deployment(deployment["name"])["last_execution_id"] is None


def test_an_endpoint_that_does_not_exist_is_not_found(platform):
    headers = {"Authorization": "EndpointToken x"}
    answer = httpx.post(f"{platform.url}/endpoints/no-such-endpoint", headers=headers, json={})
    assert answer.status_code == 404
    assert answer.json()["name"] == "NotFound"


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"n=4", b"\xff\xfe"])
def test_a_body_that_is_no_json_object_is_refused(platform, mixed, body):
    deployment = platform.deploy(mixed)
    answer = platform.call(deployment, content=body)
    assert answer.status_code == 400
    assert answer.json()["name"] == "InvalidInput"


def test_the_connection_is_kept_for_the_next_call(platform, mixed):
    deployment = platform.deploy(mixed)
    header = {"Authorization": f"EndpointToken {deployment['endpoint_token']}"}
    with httpx.Client(headers=header) as client:
        addresses = set()
        for _ in range(3):
            answer = client.post(_url(platform, deployment), json={})
            addresses.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(addresses) == 1
