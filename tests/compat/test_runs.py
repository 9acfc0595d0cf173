"""Runs of pipelines and their executions through the public client."""

import io
import re
from datetime import datetime, timedelta, timezone

import pytest
from craft_ai_sdk import EXECUTION_STATUS, Input, InputSource, Output, OutputDestination, SdkException

from tests.compat.conftest import TYPES
from tests.compat.gates import DOORS
from tests.platforms import eventually

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.mark.parametrize(
    "values",
    [
        {"string": "é 🐋 \" ' & =", "number": 1.5, "boolean": True, "json": {"a": [1, None]}, "array": [1, "x"]},
        {"string": "", "number": 0, "boolean": False, "json": {}, "array": []},
        {"string": "12", "number": 10**18, "boolean": True, "json": {"value": 1, "url": "http://x"}, "array": [[]]},
        {"string": "null", "number": -1e-7, "boolean": False, "json": "text", "array": [None]},
        {"string": "x" * 50_000, "number": 1, "boolean": False, "json": [[1], {"b": []}], "array": [{"a": 1}]},
    ],
    ids=["usual", "empty", "tricky", "small", "long"],
)
def test_values_go_in_and_come_out_unchanged(sdk, echo, values):
    answer = sdk.run_pipeline(echo, values)
    assert set(answer) == {"execution_id", "outputs"}
    assert answer["outputs"] == values
    assert {name: type(value) for name, value in answer["outputs"].items()} == {
        name: type(value) for name, value in values.items()
    }


def test_inputs_that_are_not_sent_arrive_as_none(sdk, echo):
    assert sdk.run_pipeline(echo)["outputs"] == dict.fromkeys(TYPES)


def test_numbers_that_json_does_not_have_reach_the_function(sdk, platform):
    name = platform.create_pipeline(
        "def main(j, n): return {'seen': repr([j, n])}",
        [Input("j", "json"), Input("n", "number")],
        [Output("seen", "string")],
    )
    inputs = {"j": [float("nan"), float("-inf")], "n": float("inf")}
    assert sdk.run_pipeline(name, inputs)["outputs"]["seen"] == "[[nan, -inf], inf]"
    deployment = platform.deploy(name)
    with platform.http() as client:
        body = '{"j": [NaN, -Infinity], "n": Infinity}'
        answer = client.post(f"/endpoints/{deployment['endpoint_url_path']}", content=body)
    assert answer.json()["outputs"]["seen"] == "[[nan, -inf], inf]"


@pytest.mark.parametrize("kind", ["bytes", "stream", "path"])
def test_a_file_goes_in_and_a_file_comes_out(sdk, files, tmp_path, kind):
    content = b"\x00\xff\r\n--boundary" + bytes(range(256))
    path = tmp_path / 'a "b" é.bin'
    path.write_bytes(content)
    given = {"bytes": content, "stream": io.BytesIO(content), "path": str(path)}[kind]
    outputs = sdk.run_pipeline(files, {"f": given, "s": "txt"})["outputs"]
    assert outputs == {"copy": content[::-1], "size": len(content), "said": "txt"}


def test_an_empty_file_is_a_file(sdk, files):
    assert sdk.run_pipeline(files, {"f": b""})["outputs"] == {"copy": b"", "size": 0, "said": None}


def test_a_file_of_several_megabytes_is_carried_whole(sdk, files):
    content = bytes(range(256)) * 20_000 + b"end"
    outputs = sdk.run_pipeline(files, {"f": content})["outputs"]
    assert outputs["size"] == len(content)
    assert outputs["copy"] == content[::-1]


def test_inputs_can_be_mapped_to_a_constant_a_variable_and_null(sdk, echo):
    sdk.create_or_update_environment_variable("RUN_SOURCE", "from the environment")
    answer = sdk.run_pipeline(
        echo,
        {"number": 3},
        inputs_mapping=[
            InputSource("string", environment_variable_name="RUN_SOURCE"),
            InputSource("boolean", constant_value=False),
            InputSource("json", constant_value={"a": [1, None]}),
            InputSource("array", is_null=True),
        ],
    )
    assert answer["outputs"] == {
        "string": "from the environment",
        "number": 3,
        "boolean": False,
        "json": {"a": [1, None]},
        "array": None,
    }
    execution = sdk.get_pipeline_execution(answer["execution_id"])
    inputs = {one["pipeline_input_name"]: one for one in execution["inputs"]}
    assert inputs["string"]["source"] == "environment_variable"
    assert inputs["string"]["environment_variable_name"] == "RUN_SOURCE"
    assert inputs["number"] == {"pipeline_input_name": "number", "data_type": "number", "source": "run", "value": 3}
    assert inputs["boolean"] == {
        "pipeline_input_name": "boolean",
        "data_type": "boolean",
        "source": "constant",
        "constant_value": False,
        "value": False,
    }
    assert inputs["json"]["value"] == {"a": [1, None]}
    assert inputs["array"]["source"] == "is_null"
    assert inputs["array"]["is_null"] is True
    assert inputs["array"]["value"] is None


def test_a_variable_becomes_a_value_of_the_type_of_its_input(sdk, echo):
    for name, text in {"AS_NUMBER": "1.5", "AS_BOOLEAN": "true", "AS_JSON": '{"a": 1}', "AS_ARRAY": "[1]"}.items():
        sdk.create_or_update_environment_variable(name, text)
    mapping = [InputSource(kind, environment_variable_name=f"AS_{kind.upper()}") for kind in TYPES if kind != "string"]
    outputs = sdk.run_pipeline(echo, inputs_mapping=mapping)["outputs"]
    assert outputs == {"string": None, "number": 1.5, "boolean": True, "json": {"a": 1}, "array": [1]}


def test_outputs_can_be_mapped_to_null(sdk, files):
    answer = sdk.run_pipeline(
        files,
        {"f": b"abc", "s": "x"},
        outputs_mapping=[OutputDestination("copy", is_null=True), OutputDestination("said", is_null=True)],
    )
    assert answer["outputs"] == {"copy": None, "said": None, "size": 3}
    execution = sdk.get_pipeline_execution(answer["execution_id"])
    outputs = {one["pipeline_output_name"]: one for one in execution["outputs"]}
    assert outputs["copy"]["destination"] == outputs["said"]["destination"] == "is_null"
    assert outputs["copy"]["is_null"] is True
    assert outputs["size"]["destination"] == "run"


def test_empty_lists_of_mappings_change_nothing(sdk, echo):
    assert sdk.run_pipeline(echo, {"number": 1}, inputs_mapping=[], outputs_mapping=[])["outputs"]["number"] == 1


@pytest.mark.parametrize(
    ("inputs", "mapping", "field"),
    [
        ({"whale": 1}, None, "whale"),
        ({"number": "three"}, None, "number"),
        ({"number": True}, None, "number"),
        ({"number": 1}, [InputSource("number", constant_value=2)], "number"),
        ({}, [InputSource("string", constant_value=None)], "is_null"),
        ({}, [InputSource("string", endpoint_input_name="s")], "endpoint"),
        ({}, [InputSource("whale", constant_value=1)], "whale"),
        ({}, [InputSource("string", constant_value="a", is_null=True)], "exactly one"),
    ],
)
def test_a_run_that_cannot_be_meant_is_refused_and_nothing_is_queued(sdk, echo, inputs, mapping, field):
    before = len(sdk.list_pipeline_executions(echo))
    with pytest.raises(SdkException) as caught:
        sdk.run_pipeline(echo, inputs, inputs_mapping=mapping)
    assert caught.value.status_code == 400
    assert field in caught.value.message
    assert len(sdk.list_pipeline_executions(echo)) == before


def test_a_missing_required_file_is_refused(sdk, files):
    with pytest.raises(SdkException) as caught:
        sdk.run_pipeline(files, {"s": "x"})
    assert caught.value.status_code == 400
    assert "f" in caught.value.message


def test_a_run_is_pending_or_running_until_it_has_ended(sdk, waiting, gate):
    started = sdk.run_pipeline(waiting, {"gate": gate.url, "name": "here"}, wait_for_completion=False)
    assert set(started) == {"execution_id"}
    execution_id = started["execution_id"]
    gate.await_arrivals("here")
    eventually(lambda: sdk.get_pipeline_execution(execution_id)["status"] == EXECUTION_STATUS.RUNNING)
    assert sdk.get_pipeline_execution(execution_id)["end_date"] is None
    with pytest.raises(SdkException) as caught:
        sdk.delete_pipeline_execution(execution_id)
    assert caught.value.status_code == 409
    gate.open("here")
    answer = sdk.retrieve_pipeline_execution_outputs(execution_id)
    assert answer == {"execution_id": execution_id, "outputs": {"name": "here"}}
    assert sdk.retrieve_pipeline_execution_outputs(execution_id) == answer


def test_an_execution_tells_everything_about_itself(sdk, files):
    execution_id = sdk.run_pipeline(files, {"f": b"abc", "s": "txt"})["execution_id"]
    execution = sdk.get_pipeline_execution(execution_id)
    assert execution["execution_id"] == execution_id
    assert execution["status"] == "Succeeded"
    assert execution["pipeline_name"] == files
    assert execution["deployment_name"] is None
    assert execution["created_by"] == sdk.who_am_i()["id"]
    assert INSTANT.fullmatch(execution["created_at"])
    assert INSTANT.fullmatch(execution["end_date"])
    (step,) = execution["steps"]
    assert (step["name"], step["status"], step["origin"]) == (files, "Succeeded", "local")
    assert execution["created_at"] <= step["start_date"] <= step["end_date"]
    assert execution["inputs"] == [
        {"pipeline_input_name": "f", "data_type": "file", "source": "run", "value": b"abc"},
        {"pipeline_input_name": "s", "data_type": "string", "source": "run", "value": "txt"},
    ]
    assert execution["outputs"] == [
        {"pipeline_output_name": "copy", "data_type": "file", "destination": "run", "value": b"cba"},
        {"pipeline_output_name": "size", "data_type": "number", "destination": "run", "value": 3},
        {"pipeline_output_name": "said", "data_type": "string", "destination": "run", "value": "txt"},
    ]


def test_one_input_and_one_output_can_be_asked_for(sdk, files):
    execution_id = sdk.run_pipeline(files, {"f": b"abc", "s": "txt"})["execution_id"]
    assert sdk.get_pipeline_execution_input(execution_id, "f")["value"] == b"abc"
    assert sdk.get_pipeline_execution_input(execution_id, "s") == {
        "pipeline_input_name": "s",
        "data_type": "string",
        "source": "run",
        "value": "txt",
    }
    assert sdk.get_pipeline_execution_output(execution_id, "copy")["value"] == b"cba"
    assert sdk.get_pipeline_execution_output(execution_id, "size") == {
        "pipeline_output_name": "size",
        "data_type": "number",
        "destination": "run",
        "value": 3,
    }
    for ask in (sdk.get_pipeline_execution_input, sdk.get_pipeline_execution_output):
        with pytest.raises(SdkException):
            ask(execution_id, "whale")


@pytest.mark.parametrize("value", [None, 0, False, "", "OK", [], {}, {"value": 1}])
def test_one_value_is_the_bare_value(sdk, platform, value):
    name = platform.create_pipeline("def main(j): return {'j': j}", [Input("j", "json")], [Output("j", "json")])
    execution_id = sdk.run_pipeline(name, {"j": value})["execution_id"]
    assert sdk.get_pipeline_execution_input(execution_id, "j")["value"] == value
    assert sdk.get_pipeline_execution_output(execution_id, "j")["value"] == value


def test_executions_are_listed_newest_first(sdk, platform):
    name = platform.create_pipeline("def main(): return {}")
    deployment = platform.deploy(name)
    ids = [sdk.run_pipeline(name)["execution_id"], sdk.run_pipeline(name)["execution_id"]]
    ids.append(sdk.trigger_endpoint(deployment["name"])["execution_id"])
    rows = sdk.list_pipeline_executions(name)
    assert [row["execution_id"] for row in rows] == ids[::-1]
    assert [row["deployment_name"] for row in rows] == [deployment["name"], None, None]
    assert {row["status"] for row in rows} == {"Succeeded"}
    assert {row["pipeline_name"] for row in rows} == {name}
    assert set(rows[0]) == {
        "execution_id",
        "status",
        "created_at",
        "created_by",
        "end_date",
        "pipeline_name",
        "deployment_name",
    }


def test_a_deleted_execution_is_gone(sdk, platform):
    name = platform.create_pipeline("def main(): print('x')")
    kept, gone = (sdk.run_pipeline(name)["execution_id"] for _ in range(2))
    assert sdk.delete_pipeline_execution(gone) == {"execution_id": gone}
    for ask in (
        sdk.get_pipeline_execution,
        sdk.retrieve_pipeline_execution_outputs,
        sdk.get_pipeline_execution_logs,
        sdk.delete_pipeline_execution,
    ):
        with pytest.raises(SdkException) as caught:
            ask(gone)
        assert caught.value.status_code == 404
    assert [row["execution_id"] for row in sdk.list_pipeline_executions(name)] == [kept]
    assert sdk.get_pipeline(name)["creation_info"]["last_execution_id"] == kept


def test_a_failing_function_raises_the_users_error(sdk, failing):
    with pytest.raises(SdkException) as caught:
        sdk.run_pipeline(failing)
    assert caught.value.status_code == 500
    assert caught.value.name == "ExecutionFailed"
    assert "the sea is too salty" in caught.value.message
    assert caught.value.additional_data["status"] == "Failed"
    execution_id = caught.value.additional_data["execution_id"]
    with pytest.raises(SdkException, match="too salty"):
        sdk.retrieve_pipeline_execution_outputs(execution_id)


def test_a_failed_execution_can_be_looked_at_without_raising(sdk, failing):
    execution_id = sdk.run_pipeline(failing, wait_for_completion=False)["execution_id"]
    with pytest.raises(SdkException):
        sdk.retrieve_pipeline_execution_outputs(execution_id)
    execution = sdk.get_pipeline_execution(execution_id)
    assert execution["status"] == "Failed"
    assert [one["value"] for one in execution["outputs"]] == [None, None]
    assert sdk.get_pipeline_execution_output(execution_id, "of")["value"] is None
    messages = [line["message"] for line in sdk.get_pipeline_execution_logs(execution_id)]
    assert messages[0] == "before the end"
    assert any("ValueError: the sea is too salty" in message for message in messages)


def test_logs_are_ascending_lines_and_a_limit_keeps_the_first(sdk, platform):
    name = platform.create_pipeline(
        """
        import sys
        def main():
            for number in range(20):
                print("line", number)
            print("é 🐋", file=sys.stderr)
        """
    )
    execution_id = sdk.run_pipeline(name)["execution_id"]
    lines = sdk.get_pipeline_execution_logs(execution_id)
    assert [line["message"] for line in lines] == [f"line {number}" for number in range(20)] + ["é 🐋"]
    assert all(INSTANT.fullmatch(line["timestamp"]) for line in lines)
    assert sdk.get_pipeline_execution_logs(execution_id, limit=3) == lines[:3]
    assert sdk.get_pipeline_execution_logs(execution_id, limit=1000) == lines


def test_logs_can_be_cut_by_time_from_included_to_excluded(sdk, platform, gate):
    name = platform.create_pipeline(
        """
        from doors import knock
        def main(gate):
            print("first")
            knock(gate, "between")
            print("second")
        """,
        [Input("gate", "string")],
        files={"doors.py": DOORS},
    )
    execution_id = sdk.run_pipeline(name, {"gate": gate.url}, wait_for_completion=False)["execution_id"]
    gate.await_arrivals("between")
    first = eventually(lambda: sdk.get_pipeline_execution_logs(execution_id))  # live, while it runs
    assert [line["message"] for line in first] == ["first"]
    began = datetime.fromisoformat(first[0]["timestamp"])
    eventually(lambda: datetime.now(timezone.utc) > began + timedelta(milliseconds=5))
    gate.open("between")
    sdk.retrieve_pipeline_execution_outputs(execution_id)

    def between(start=None, end=None):
        lines = sdk.get_pipeline_execution_logs(execution_id, from_datetime=start, to_datetime=end)
        return [line["message"] for line in lines]

    later = datetime.fromisoformat(sdk.get_pipeline_execution_logs(execution_id)[1]["timestamp"])
    assert began < later
    assert between() == ["first", "second"]
    assert between(start=began) == ["first", "second"]
    assert between(start=later) == ["second"]
    assert between(end=later) == ["first"]
    assert between(end=began) == []
    assert between(began, later) == ["first"]
    assert between(later + timedelta(hours=1)) == []


def test_an_execution_without_output_has_an_empty_log(sdk, echo):
    assert sdk.get_pipeline_execution_logs(sdk.run_pipeline(echo)["execution_id"]) == []


def test_an_unknown_execution_is_not_found(sdk):
    for ask in (sdk.get_pipeline_execution, sdk.retrieve_pipeline_execution_outputs, sdk.get_pipeline_execution_logs):
        with pytest.raises(SdkException) as caught:
            ask("no-such-execution")
        assert caught.value.status_code == 404
