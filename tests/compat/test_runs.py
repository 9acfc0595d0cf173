"""Runs of pipelines and their executions through the public client."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from craft_ai_sdk import Input, InputSource, Output, OutputDestination, SdkException

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


def test_an_empty_file_is_a_file(sdk, files):
    assert sdk.run_pipeline(files, {"f": b""})["outputs"] == {"copy": b"", "size": 0, "said": None}


def test_a_file_of_several_megabytes_is_carried_whole(sdk, files):
    content = bytes(range(256)) * 20_000 + b"end"
    outputs = sdk.run_pipeline(files, {"f": content})["outputs"]
    assert outputs["size"] == len(content)
    assert outputs["copy"] == content[::-1]


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


@pytest.mark.parametrize("value", [None, 0, False, "", "OK", [], {}, {"value": 1}])
def test_one_value_is_the_bare_value(sdk, platform, value):
    name = platform.create_pipeline("def main(j): return {'j': j}", [Input("j", "json")], [Output("j", "json")])
    execution_id = sdk.run_pipeline(name, {"j": value})["execution_id"]
    assert sdk.get_pipeline_execution_input(execution_id, "j")["value"] == value
    assert sdk.get_pipeline_execution_output(execution_id, "j")["value"] == value


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
