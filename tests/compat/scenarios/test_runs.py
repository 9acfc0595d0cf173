"""Runs of a pipeline, and what is known of an execution afterwards."""

from datetime import datetime, timedelta

import pytest

from tests.compat.clients.values import InputSource, Output, OutputDestination, Stream
from tests.compat.conftest import TYPES
from tests.compat.scenarios.marks import new_alone, proves
from tests.compat.scenarios.usage import INSTANT, create, deploy, fresh, last_execution_of, refused, start
from tests.platforms import eventually

VALUES = {"string": "é 🐋 \"'&=", "number": 1.5, "boolean": True, "json": {"value": 1, "url": "http://x"}, "array": [1]}
PRINTING = """
import sys

def main():
    for number in range(5):
        print("line", number)
    print("é 🐋", file=sys.stderr)
"""


@proves("run_pipeline", "get_pipeline_execution")
def test_values_of_every_type_go_in_and_come_out(client, echo):
    ran = client.run_pipeline(echo, VALUES)
    assert ran["outputs"] == VALUES
    execution = client.get_pipeline_execution(ran["execution_id"])
    assert {one["pipeline_input_name"]: one["value"] for one in execution["inputs"]} == VALUES
    assert client.run_pipeline(echo)["outputs"] == dict.fromkeys(TYPES)


@proves("run_pipeline")
@pytest.mark.parametrize("kind", ["path", "stream", "bytes"])
def test_a_file_goes_in_and_a_file_comes_out(client, files, tmp_path, kind):
    content = b"\x00\xff\r\n--boundary" + bytes(range(256))
    path = tmp_path / 'a "b" é.bin'
    path.write_bytes(content)
    given = {"path": str(path), "stream": Stream(content), "bytes": content}[kind]
    if client.is_old and kind == "bytes":
        assert "not a string or bytes" in refused(client.run_pipeline, files, {"f": given}).message
        return
    outputs = client.run_pipeline(files, {"f": given, "s": "txt"})["outputs"]
    assert outputs == {"copy": content[::-1], "size": len(content), "said": "txt"}


@proves("run_pipeline", "create_or_update_environment_variable", "get_pipeline_execution")
def test_inputs_and_outputs_are_mapped_for_one_run(client, echo):
    client.create_or_update_environment_variable("RUN_SCENARIO", "from the environment")
    ran = client.run_pipeline(
        echo,
        {"number": 3},
        inputs_mapping=[
            InputSource("string", environment_variable_name="RUN_SCENARIO"),
            InputSource("json", constant_value={"a": [1, None]}),
            InputSource("array", is_null=True),
        ],
        outputs_mapping=[OutputDestination("string", is_null=True)],
    )
    assert ran["outputs"] == {"string": None, "number": 3, "boolean": None, "json": {"a": [1, None]}, "array": None}
    execution = client.get_pipeline_execution(ran["execution_id"])
    inputs = {one["pipeline_input_name"]: one for one in execution["inputs"]}
    assert inputs["string"]["source"] == "environment_variable"
    assert inputs["string"]["environment_variable_name"] == "RUN_SCENARIO"
    assert inputs["number"] == {"pipeline_input_name": "number", "data_type": "number", "source": "run", "value": 3}
    assert inputs["json"]["source"] == "constant"
    assert inputs["array"]["is_null"] is True
    outputs = {one["pipeline_output_name"]: one for one in execution["outputs"]}
    assert outputs["string"]["destination"] == "is_null"
    assert outputs["number"]["destination"] == "run"


@proves("run_pipeline", "upload_data_store_object", "download_data_store_object", "get_pipeline_execution")
def test_files_come_from_the_data_store_and_go_there(client, files, tmp_path):
    source, target = f"{fresh('in')}.bin", fresh("out")
    client.upload_data_store_object(Stream(b"abc"), source)
    ran = client.run_pipeline(
        files,
        inputs_mapping=[InputSource("f", datastore_path=source)],
        outputs_mapping=[OutputDestination("copy", datastore_path=f"{target}/{{execution_id}}.bin")],
    )
    assert ran["outputs"]["size"] == 3
    path = tmp_path / "copy.bin"
    client.download_data_store_object(f"{target}/{ran['execution_id']}.bin", str(path))
    assert path.read_bytes() == b"cba"
    execution = client.get_pipeline_execution(ran["execution_id"])
    assert execution["inputs"][0]["source"] == "datastore"
    assert execution["outputs"][0]["destination"] == "datastore"
    assert execution["outputs"][0]["value"] == b"cba"


@proves("run_pipeline", "get_pipeline_execution", "get_pipeline_execution_logs", "get_pipeline_execution_output")
def test_a_failing_function_raises_its_error_and_can_be_looked_at(client, failing):
    error = refused(client.run_pipeline, failing)
    assert (error.status_code, error.name) == (500, "ExecutionFailed")
    assert "the sea is too salty" in error.message
    execution_id = error.additional_data["execution_id"]
    execution = client.get_pipeline_execution(execution_id)
    assert execution["status"] == "Failed"
    assert [one["value"] for one in execution["outputs"]] == [None, None]
    assert client.get_pipeline_execution_output(execution_id, "of")["value"] is None
    messages = [line["message"] for line in client.get_pipeline_execution_logs(execution_id)]
    assert messages[0] == "before the end"
    assert any("ValueError: the sea is too salty" in message for message in messages)


@proves("run_pipeline", "list_pipeline_executions")
def test_a_run_that_cannot_be_meant_is_refused_and_nothing_is_queued(client, echo, files):
    before = [len(client.list_pipeline_executions(pipeline)) for pipeline in (echo, files)]
    for pipeline, inputs, field in (
        (echo, {"whale": 1}, "whale"),
        (echo, {"number": "three"}, "number"),
        (files, {"s": "x"}, "f"),
    ):
        error = refused(client.run_pipeline, pipeline, inputs)
        assert (error.status_code, error.name) == (400, "InvalidInput")
        assert field in error.message
    assert [len(client.list_pipeline_executions(pipeline)) for pipeline in (echo, files)] == before


@proves("get_pipeline_execution", "trigger_endpoint", "delete_pipeline_execution")
def test_an_execution_can_be_looked_at_while_it_runs(client, copying, gate):
    deployed = deploy(client, copying)
    execution_id = start(client, deployed, {"gate": gate.url, "name": "here"})
    gate.await_arrivals("here")
    execution = eventually(lambda: _running(client.get_pipeline_execution(execution_id)))
    assert execution["end_date"] is None
    assert execution["deployment_name"] == deployed.name
    assert len(execution["outputs"]) == 2
    if client.is_old:  # it fetches the files of an execution that has not ended, too
        assert [one["value"] for one in execution["outputs"]] == [None, None]
    error = refused(client.delete_pipeline_execution, execution_id)
    assert (error.status_code, error.name) == (409, "Conflict")
    gate.open()
    eventually(lambda: client.get_pipeline_execution(execution_id)["status"] == "Succeeded")
    named, own_source = (one["value"] for one in client.get_pipeline_execution(execution_id)["outputs"])
    assert named == "here"
    assert b"def main(gate, name)" in own_source


def _running(execution):
    return execution if execution["status"] == "Running" else None


@new_alone
@proves("run_pipeline", "retrieve_pipeline_execution_outputs")
def test_a_run_is_started_now_and_its_outputs_fetched_later(client, waiting, gate):
    started = client.run_pipeline(waiting, {"gate": gate.url, "name": "later"}, wait_for_completion=False)
    assert set(started) == {"execution_id"}
    gate.await_arrivals("later")
    gate.open("later")
    outputs = client.retrieve_pipeline_execution_outputs(started["execution_id"])
    assert outputs == started | {"outputs": {"name": "later"}}
    assert client.retrieve_pipeline_execution_outputs(started["execution_id"]) == outputs


@proves("run_pipeline", "get_pipeline_execution", "who_am_i")
def test_an_execution_tells_everything_about_itself(client, files):
    execution_id = client.run_pipeline(files, {"f": Stream(b"abc"), "s": "txt"})["execution_id"]
    execution = client.get_pipeline_execution(execution_id)
    assert execution["execution_id"] == execution_id
    assert (execution["status"], execution["pipeline_name"]) == ("Succeeded", files)
    assert execution["deployment_name"] is None
    assert execution["created_by"] == client.who_am_i()["id"]
    assert INSTANT.fullmatch(execution["created_at"])
    assert INSTANT.fullmatch(execution["end_date"])
    (step,) = execution["steps"]
    assert (step["name"], step["status"], step["origin"]) == (files, "Succeeded", "local")
    assert execution["inputs"] == [
        {"pipeline_input_name": "f", "data_type": "file", "source": "run", "value": b"abc"},
        {"pipeline_input_name": "s", "data_type": "string", "source": "run", "value": "txt"},
    ]
    assert execution["outputs"] == [
        {"pipeline_output_name": "copy", "data_type": "file", "destination": "run", "value": b"cba"},
        {"pipeline_output_name": "size", "data_type": "number", "destination": "run", "value": 3},
        {"pipeline_output_name": "said", "data_type": "string", "destination": "run", "value": "txt"},
    ]


@proves("run_pipeline", "get_pipeline_execution_input", "get_pipeline_execution_output")
def test_one_input_and_one_output_can_be_asked_for(client, files):
    execution_id = client.run_pipeline(files, {"f": Stream(b"abc"), "s": "txt"})["execution_id"]
    assert client.get_pipeline_execution_input(execution_id, "f")["value"] == b"abc"
    said = {"data_type": "string", "value": "txt"}
    assert client.get_pipeline_execution_input(execution_id, "s") == said | {
        "pipeline_input_name": "s",
        "source": "run",
    }
    assert client.get_pipeline_execution_output(execution_id, "copy")["value"] == b"cba"
    assert client.get_pipeline_execution_output(execution_id, "said") == said | {
        "pipeline_output_name": "said",
        "destination": "run",
    }
    refused(client.get_pipeline_execution_input, execution_id, "whale")
    refused(client.get_pipeline_execution_output, execution_id, "whale")


@proves(
    "list_pipeline_executions", "delete_pipeline_execution", "run_pipeline", "get_pipeline_execution", "get_pipeline"
)
def test_executions_are_listed_newest_first_and_a_deleted_one_is_gone(client, tmp_path):
    pipeline = create(client, tmp_path, PRINTING)
    deployed = deploy(client, pipeline)
    ids = [client.run_pipeline(pipeline)["execution_id"] for _ in range(2)]
    ids.append(client.trigger_endpoint(deployed.name, deployed.token)["execution_id"])
    rows = client.list_pipeline_executions(pipeline)
    assert [row["execution_id"] for row in rows] == ids[::-1]
    documented = {"execution_id", "status", "created_at", "created_by", "end_date", "pipeline_name", "deployment_name"}
    assert set(rows[0]) == documented
    assert [row["deployment_name"] for row in rows] == [deployed.name, None, None]
    assert client.delete_pipeline_execution(ids[2]) == {"execution_id": ids[2]}
    for ask in (client.get_pipeline_execution, client.get_pipeline_execution_logs, client.delete_pipeline_execution):
        assert refused(ask, ids[2]).status_code == 404
    assert [row["execution_id"] for row in client.list_pipeline_executions(pipeline)] == ids[1::-1]
    assert last_execution_of(client.get_pipeline(pipeline)) == ids[1]


@proves("get_pipeline_execution_logs", "run_pipeline")
def test_logs_are_ascending_lines_that_time_and_a_limit_cut(client, tmp_path):
    execution_id = client.run_pipeline(create(client, tmp_path, PRINTING))["execution_id"]
    lines = client.get_pipeline_execution_logs(execution_id)
    assert [line["message"] for line in lines] == [f"line {number}" for number in range(5)] + ["é 🐋"]
    assert all(INSTANT.fullmatch(line["timestamp"]) for line in lines)
    assert client.get_pipeline_execution_logs(execution_id, limit=3) == lines[:3]
    began = datetime.fromisoformat(lines[0]["timestamp"])
    later = began + timedelta(hours=1)
    assert client.get_pipeline_execution_logs(execution_id, from_datetime=began, to_datetime=later) == lines
    assert client.get_pipeline_execution_logs(execution_id, to_datetime=began) == []
    assert client.get_pipeline_execution_logs(execution_id, from_datetime=later) == []
    assert refused(client.get_pipeline_execution_logs, "no-such-execution").status_code == 404


@proves("run_pipeline", "create_pipeline")
def test_an_output_that_does_not_come_fails_the_execution_by_name(client, tmp_path):
    pipeline = create(client, tmp_path, "def main(): return {}", outputs=[Output("whale", "string")])
    assert "whale" in refused(client.run_pipeline, pipeline).message
