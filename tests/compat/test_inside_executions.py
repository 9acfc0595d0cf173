"""What user code finds inside an execution: its id, the platform's variables, the public client without arguments."""

import uuid

import httpx
import pytest
from craft_ai_sdk import Input, Output, SdkException

from tests.compat.conftest import WAITING_INPUTS
from tests.compat.gates import DOORS

PLATFORM_VARIABLES = ("CRAFT_AI_SDK_TOKEN", "CRAFT_AI_ENVIRONMENT_URL", "CRAFT_AI_CONTROL_URL", "CRAFT_AI_EXECUTION_ID")

# One function for everything that a test wants to do with the client inside; the requirement is installed once.
INSIDE = """
from craft_ai_sdk import CraftAiSdk, SdkException
from craft_ai_sdk.shared.execution_context import get_execution_id

def main(method, arguments):
    sdk, found = CraftAiSdk(), {"returned": None, "refused": None, "id": get_execution_id()}
    try:
        found["returned"] = getattr(sdk, method)(**arguments)
    except SdkException as error:
        found["refused"] = {"status": error.status_code, "message": error.message}
    return found
"""

WHO = """
import json, os, urllib.request

direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

def ask(url, token=None, body=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    with direct.open(request) as answer:
        return json.load(answer)

def main():
    control = os.environ["CRAFT_AI_CONTROL_URL"] + "/api/v1"
    token = ask(f"{control}/auth/refresh", body={"refresh_token": os.environ["CRAFT_AI_SDK_TOKEN"]})["access_token"]
    listed = ask(os.environ["CRAFT_AI_ENVIRONMENT_URL"] + "/api/v1/pipelines", token)
    return {"me": ask(f"{control}/users/me", token), "pipelines": [one["pipeline_name"] for one in listed]}
"""

CONTEXT = """
import asyncio, os, threading
from concurrent.futures import ThreadPoolExecutor
import __craft_internal_execution_context as context
from doors import knock

def get():
    return context.current_execution_id.get("nothing")

at_import = get()

def main(gate, name):
    knock(gate, name)
    found = {"main": get()}
    thread = threading.Thread(target=lambda: found.update(thread=get()))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        found["pool"] = pool.submit(get).result()
    async def nested():
        found["task"] = await asyncio.create_task(asyncio.to_thread(get))
    asyncio.run(nested())
    return {"found": found, "at_import": at_import, "variable": os.environ["CRAFT_AI_EXECUTION_ID"]}
"""


@pytest.fixture(scope="module")
def inside(platform):
    """Both modes of a pipeline that has the public client among its requirements."""
    pipeline = platform.create_pipeline(
        INSIDE,
        [Input("method", "string"), Input("arguments", "json", default_value={"x": 1})],
        [Output("returned", "json"), Output("refused", "json"), Output("id", "string")],
        files={"requirements.txt": "craft-ai-sdk==0.74.7\n"},
        requirements_path="requirements.txt",
    )
    return {mode: platform.deploy(pipeline, mode) for mode in ("elastic", "low_latency")}


@pytest.fixture(params=["elastic", "low_latency"])
def do(request, sdk, inside):
    """Call a method of the client inside an execution."""

    def do(method, **arguments):
        inputs = {"method": method, "arguments": arguments}
        answer = sdk.trigger_endpoint(inside[request.param]["name"], inputs=inputs)
        assert answer["outputs"]["id"] == answer["execution_id"]
        return answer["outputs"]

    return do


@pytest.fixture(scope="module")
def declared(platform):
    """A pipeline that needs nothing but the standard library."""
    return platform.create_pipeline(WHO, outputs=[Output("me", "json"), Output("pipelines", "array")])


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_the_platforms_variables_open_the_platform_from_inside(platform, sdk, declared, mode):
    outputs = sdk.trigger_endpoint(platform.deploy(declared, mode)["name"])["outputs"]
    assert outputs["me"] == sdk.who_am_i()
    assert declared in outputs["pipelines"]


def test_a_run_has_the_platforms_variables_too(sdk, declared):
    assert sdk.run_pipeline(declared)["outputs"]["me"] == sdk.who_am_i()


def test_the_client_needs_no_argument_inside(sdk, do):
    assert do("who_am_i")["returned"] == sdk.who_am_i()


def test_inside_variables_can_be_set_and_read(sdk, do):
    name = f"FROM_INSIDE_{uuid.uuid4().hex}"
    do("create_or_update_environment_variable", environment_variable_name=name, environment_variable_value="x")
    assert {"name": name, "value": "x"} in sdk.list_environment_variables()
    assert {"name": name, "value": "x"} in do("list_environment_variables")["returned"]


def test_inside_another_endpoint_can_be_triggered(platform, do, echo):
    other = platform.deploy(echo)
    answer = do("trigger_endpoint", endpoint_name=other["name"], inputs={"number": 3})["returned"]
    assert answer["outputs"]["number"] == 3
    token = other["endpoint_token"]
    answer = do("trigger_endpoint", endpoint_name=other["name"], endpoint_token=token, inputs={"number": 4})["returned"]
    assert answer["outputs"]["number"] == 4


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("delete_pipeline", "pipeline_name"),
        ("delete_deployment", "deployment_name"),
        ("generate_new_endpoint_token", "endpoint_name"),
    ],
)
def test_inside_pipelines_and_deployments_cannot_be_changed(platform, sdk, do, echo, method, argument):
    target = echo if argument == "pipeline_name" else platform.deploy(echo)["name"]
    refused = do(method, **{argument: target})["refused"]
    assert refused["status"] == 403
    assert "not permitted from inside" in refused["message"]  # the sentence that the client adds
    assert sdk.get_pipeline(echo)


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_the_token_inside_dies_with_what_it_was_made_for(platform, sdk, mode):
    pipeline = platform.create_pipeline(
        "import os\ndef main(): return {'token': os.environ['CRAFT_AI_SDK_TOKEN']}", outputs=[Output("token", "string")]
    )
    deployment = platform.deploy(pipeline, mode)
    token = sdk.trigger_endpoint(deployment["name"])["outputs"]["token"]

    def refresh():
        return httpx.post(f"{platform.api}/auth/refresh", json={"refresh_token": token}).status_code

    assert token != platform.credentials["CRAFT_AI_SDK_TOKEN"]
    # That of an elastic pod was made for the execution, which has ended; that of a low latency pod for the deployment.
    assert refresh() == (401 if mode == "elastic" else 200)
    sdk.delete_deployment(deployment["name"])
    assert refresh() == 401


@pytest.mark.parametrize(
    "options",
    [{"mode": "elastic"}, {"mode": "low_latency"}, {"mode": "low_latency", "enable_parallel_executions": True}],
    ids=["elastic", "queue", "parallel"],
)
def test_the_execution_id_is_right_wherever_code_runs(platform, sdk, gate, options):
    pipeline = platform.create_pipeline(
        CONTEXT,
        WAITING_INPUTS,
        [Output("found", "json"), Output("at_import", "string"), Output("variable", "string")],
        files={"doors.py": DOORS},
    )
    name = platform.deploy(pipeline, **options)["name"]
    ids = {
        who: sdk.trigger_endpoint(name, inputs={"gate": gate.url, "name": who}, wait_for_completion=False)[
            "execution_id"
        ]
        for who in "ab"
    }
    if options.get("enable_parallel_executions"):
        gate.await_arrivals("a", "b")
    gate.open()
    outputs = {who: sdk.retrieve_endpoint_results(name, ids[who])["outputs"] for who in "ab"}
    for who in "ab":
        assert outputs[who]["found"] == dict.fromkeys(("main", "thread", "pool", "task"), ids[who])
        if options["mode"] == "low_latency":
            assert outputs[who]["at_import"] == "nothing"
    latest = ids["b"] if options.get("enable_parallel_executions") else ids["a"]
    assert outputs["a"]["variable"] == latest  # the variable names the latest execution started on the pod
    assert outputs["b"]["variable"] == ids["b"]


def test_platform_variables_cannot_be_shadowed(sdk):
    for name in PLATFORM_VARIABLES:
        with pytest.raises(SdkException) as caught:
            sdk.create_or_update_environment_variable(name, "mine")
        assert caught.value.status_code == 400
