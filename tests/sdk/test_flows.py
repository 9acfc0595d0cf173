"""Whole ways of a user through a real server, with both clients."""

from __future__ import annotations

import io
import threading
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeyard import (
    CREATION_PARAMETER_VALUE,
    DEPLOYMENT_EXECUTION_RULES,
    DEPLOYMENT_MODES,
    DEPLOYMENT_STATUS,
    EXECUTION_STATUS,
    ConflictError,
    CreationFailedError,
    ExecutionFailedError,
    Input,
    InputSource,
    NotFoundError,
    Output,
    OutputDestination,
    SdkException,
    WaitTimeoutError,
)
from tests.platforms import Platform
from tests.sdk.clients import real_client

SOURCE = """
import json, time

def main(n=0, text=None, data=None, wait_s=0):
    print("n is", n)
    if text == "fail":
        raise ValueError("as asked")
    time.sleep(wait_s or 0)
    content = open(data["path"], "rb").read() if data else b""
    with open("twice.bin", "wb") as file:
        file.write(content * 2)
    return {"result": {"n": n, "text": text, "value": 1, "url": "http://x"}, "twice": {"path": "twice.bin"}}
"""
INPUTS = [
    Input("n", "number", default_value=7),
    Input("text", "string"),
    Input("data", "file"),
    Input("wait_s", "number"),
]
OUTPUTS = [Output("result", "json"), Output("twice", "file")]


def result(n: float = 7, text: str | None = None) -> dict[str, Any]:
    return {"n": n, "text": text, "value": 1, "url": "http://x"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture
def pipeline(live: Any, folder: Path) -> str:
    name = f"flow-{uuid.uuid4().hex[:8]}"
    live.create_pipeline(
        name, "main.py", "main", container_config={"local_folder": str(folder)}, inputs=INPUTS, outputs=OUTPUTS
    )
    return name


def test_a_pipeline_is_created_read_listed_downloaded_and_deleted(live: Any, pipeline: str, tmp_path: Path) -> None:
    read = live.get_pipeline(pipeline)
    assert read["creation_info"]["status"] == "ready"
    assert read["creation_info"]["last_execution_id"] is None
    assert read["parameters"]["inputs"][0]["default_value"] == 7
    assert pipeline in [row["pipeline_name"] for row in live.list_pipelines()]
    assert live.get_pipeline_logs(pipeline)[0].keys() >= {"timestamp", "message"}
    assert len(live.get_pipeline_logs(pipeline, limit=1)) == 1
    live.download_pipeline_local_folder(pipeline, str(tmp_path))
    assert (tmp_path / f"{pipeline}.tgz").read_bytes()[:2] == b"\x1f\x8b"
    with pytest.raises(ConflictError):
        live.create_pipeline(pipeline, "main.py", "main", container_config={"local_folder": str(tmp_path)})
    assert live.delete_pipeline(pipeline) == {"pipeline": {"name": pipeline}, "deployments": []}
    with pytest.raises(NotFoundError):
        live.get_pipeline(pipeline)


def test_a_pipeline_is_run_with_values_and_files(live: Any, pipeline: str, folder: Path) -> None:
    ran = live.run_pipeline(pipeline, {"text": "é", "data": io.BytesIO(b"ab")})
    assert ran["outputs"] == {"result": result(text="é"), "twice": b"abab"}
    ran = live.run_pipeline(
        pipeline,
        {"data": str(folder / "main.py")},
        inputs_mapping=[InputSource("n", constant_value=0)],
        outputs_mapping=[OutputDestination("result", is_null=True)],
    )
    assert ran["outputs"] == {"result": None, "twice": SOURCE.encode() * 2}
    execution = live.get_pipeline_execution(ran["execution_id"])
    assert execution["status"] == EXECUTION_STATUS.SUCCEEDED
    assert {item["pipeline_input_name"]: item["source"] for item in execution["inputs"]}["n"] == "constant"
    assert {item["pipeline_output_name"]: item["value"] for item in execution["outputs"]}[
        "twice"
    ] == SOURCE.encode() * 2
    assert live.get_pipeline_execution_input(ran["execution_id"], "data")["value"] == SOURCE.encode()
    assert [line["message"] for line in live.get_pipeline_execution_logs(ran["execution_id"])] == ["n is 0"]
    assert live.list_pipeline_executions(pipeline)[0]["execution_id"] == ran["execution_id"]
    assert live.get_pipeline(pipeline)["creation_info"]["last_execution_id"] == ran["execution_id"]
    with pytest.raises(ConflictError, match="has ended, it is Succeeded"):
        live.cancel_execution(ran["execution_id"])
    assert live.delete_pipeline_execution(ran["execution_id"]) == {"execution_id": ran["execution_id"]}


def test_a_failure_says_why_and_where(live: Any, pipeline: str) -> None:
    with pytest.raises(ExecutionFailedError, match="ValueError: as asked") as caught:
        live.run_pipeline(pipeline, {"text": "fail"})
    assert caught.value.reason == "raised"
    execution = live.get_pipeline_execution(caught.value.execution_id)
    assert execution["status"] == EXECUTION_STATUS.FAILED
    assert execution["failure"]["kind"] == "raised"


def test_a_wait_ends_in_time_and_the_execution_goes_on(live: Any, pipeline: str) -> None:
    with pytest.raises(WaitTimeoutError) as caught:
        live.run_pipeline(pipeline, {"wait_s": 1.5}, timeout_s=0.3)
    execution_id = caught.value.additional_data["execution_id"]
    assert live.retrieve_pipeline_execution_outputs(execution_id)["outputs"]["result"] == result()


@pytest.mark.parametrize("mode", list(DEPLOYMENT_MODES))
def test_an_endpoint_is_created_called_and_deleted(live: Any, pipeline: str, mode: str) -> None:
    name = f"d-{uuid.uuid4().hex[:8]}"
    created = live.create_deployment(
        pipeline_name=pipeline,
        deployment_name=name,
        execution_rule=DEPLOYMENT_EXECUTION_RULES.ENDPOINT,
        mode=mode,
        inputs_mapping=[InputSource("text", endpoint_input_name="said", is_required=True)],
        outputs_mapping=[OutputDestination("result", endpoint_output_name="answer")],
        endpoint_url_path=f"path-{name}",
    )
    token = created["endpoint_token"]
    assert created["status"] == DEPLOYMENT_STATUS.UP
    inputs = {"said": "hello", "n": 1, "data": b"x"}
    called = live.trigger_endpoint(name, token, inputs)
    assert called["outputs"] == {"answer": result(1, "hello"), "twice": b"xx"}
    assert live.trigger_endpoint(name, inputs=inputs)["outputs"] == {"result": result(1, "hello"), "twice": b"xx"}
    started = live.trigger_endpoint(name, token, inputs, wait_for_completion=False)
    assert live.retrieve_endpoint_results(name, started["execution_id"], token)["outputs"] == called["outputs"]
    with pytest.raises(ExecutionFailedError, match="as asked"):
        live.trigger_endpoint(name, token, {"said": "fail"})
    with pytest.raises(SdkException, match="said"):
        live.trigger_endpoint(name, token, {})
    new_token = live.generate_new_endpoint_token(name)["endpoint_token"]
    assert live.trigger_endpoint(name, new_token, inputs)["outputs"] == called["outputs"]
    disabled = live.update_deployment(name, is_enabled=False)
    assert (disabled["status"], disabled["is_enabled"]) == (DEPLOYMENT_STATUS.DISABLED, False)
    assert name in [row["name"] for row in live.list_deployments()]
    with pytest.raises(ConflictError):
        live.delete_pipeline(pipeline)
    deleted = live.delete_pipeline(pipeline, force_deployments_deletion=True)
    assert deleted["deployments"] == [{"name": name, "execution_rule": "endpoint"}]


def test_a_call_longer_than_the_servers_hold_comes_to_its_result(kind: str, tmp_path: Path) -> None:
    platform = Platform(tmp_path, wait_hold_s=0.4).start()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text(SOURCE)
    sdk = real_client(kind, platform.credentials)
    try:
        config = {"local_folder": str(tmp_path / "code")}
        sdk.create_pipeline("p", "main.py", "main", container_config=config, inputs=INPUTS, outputs=OUTPUTS)
        token = sdk.create_deployment("p", "d", "endpoint")["endpoint_token"]
        for called in (sdk.trigger_endpoint("d", token, {"wait_s": 2}), sdk.run_pipeline("p", {"wait_s": 1})):
            assert called["outputs"] == {"result": result(), "twice": b""}
        with pytest.raises(WaitTimeoutError):
            sdk.trigger_endpoint("d", token, {"wait_s": 3}, timeout_s=1)
    finally:
        sdk.close()
        platform.stop()


def test_a_wait_outlives_a_restart_of_the_server(kind: str, tmp_path: Path) -> None:
    platform = Platform(tmp_path).start()
    platform.port = urlsplit(platform.url).port or 0
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text(SOURCE)
    sdk = real_client(kind, platform.credentials)
    try:
        config = {"local_folder": str(tmp_path / "code")}
        sdk.create_pipeline("p", "main.py", "main", container_config=config, inputs=INPUTS, outputs=OUTPUTS)
        started = sdk.run_pipeline("p", {"wait_s": 4}, wait_for_completion=False)
        restart = threading.Timer(0.5, lambda: (platform.kill(), platform.start()))
        restart.start()
        outputs = sdk.retrieve_pipeline_execution_outputs(started["execution_id"], timeout_s=60)["outputs"]
        restart.join()
        assert outputs["result"] == result()
    finally:
        sdk.close()
        platform.stop()


def test_a_build_that_fails_ends_with_the_reason(live: Any, folder: Path) -> None:
    name = f"flow-{uuid.uuid4().hex[:8]}"
    config = {"local_folder": str(folder), "requirements_path": CREATION_PARAMETER_VALUE.NULL}
    with pytest.raises(CreationFailedError, match='defines no function "nothing"; it defines: main'):
        live.create_pipeline(name, "main.py", "nothing", container_config=config)
    assert live.get_pipeline(name)["creation_info"]["status"] == "creation_failed"
    live.delete_pipeline(name)


def test_variables_reach_executions(live: Any) -> None:
    name = f"FLOW_{uuid.uuid4().hex[:8].upper()}"
    live.create_or_update_environment_variable(name, "first")
    live.create_or_update_environment_variable(name, "second")
    assert {"name": name, "value": "second"} in live.list_environment_variables()
    assert live.delete_environment_variable(name) == {"name": name, "value": "second"}
    with pytest.raises(NotFoundError):
        live.delete_environment_variable(name)


def test_who_i_am_is_who_made_things(live: Any, pipeline: str) -> None:
    me = live.who_am_i()
    assert live.get_user(live.get_pipeline(pipeline)["creation_info"]["created_by"]) == me
    assert set(me) == {"id", "name", "email"}
