"""Where values come from and go to: every rule of mapping, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from pipeyard.domain.mappings import (
    Destination,
    Source,
    map_inputs,
    map_outputs,
    resolve_inputs,
)
from pipeyard.domain.modes import Rule
from pipeyard.domain.pipelines import Input, Output
from pipeyard.domain.values import DataType
from pipeyard.errors import InvalidInputError

INPUTS = (
    Input("text", DataType.STRING, default_value="of the pipeline"),
    Input("number", DataType.NUMBER, is_required=True),
    Input("file", DataType.FILE),
)
OUTPUTS = (Output("text", DataType.STRING), Output("file", DataType.FILE))


def item(name: str, **source: Any) -> dict[str, Any]:
    return {"pipeline_input_name": name, **source}


def output(name: str, **destination: Any) -> dict[str, Any]:
    return {"pipeline_output_name": name, **destination}


@pytest.mark.parametrize("given", [None, []])
def test_what_an_endpoint_does_not_mention_is_mapped_to_its_own_name(given: object) -> None:
    inputs = map_inputs(INPUTS, given, Rule.ENDPOINT)
    outputs = map_outputs(OUTPUTS, given, Rule.ENDPOINT)
    assert [(mapping.source, mapping.at) for mapping in inputs] == [
        (Source.ENDPOINT, "text"),
        (Source.ENDPOINT, "number"),
        (Source.ENDPOINT, "file"),
    ]
    assert [(mapping.destination, mapping.at) for mapping in outputs] == [
        (Destination.ENDPOINT, "text"),
        (Destination.ENDPOINT, "file"),
    ]


def test_what_a_run_does_not_mention_comes_from_the_run() -> None:
    assert {mapping.source for mapping in map_inputs(INPUTS, None, None)} == {Source.RUN}
    assert {mapping.destination for mapping in map_outputs(OUTPUTS, None, None)} == {Destination.RUN}


def test_a_periodic_deployment_names_every_input_that_is_not_mapped() -> None:
    with pytest.raises(InvalidInputError, match="not mapped: number, file"):
        map_inputs(INPUTS, [item("text", constant_value="x")], Rule.PERIODIC)


@pytest.mark.parametrize(
    ("given", "source", "at"),
    [
        ({"constant_value": 0}, Source.CONSTANT, 0),
        ({"environment_variable_name": "NAME"}, Source.ENVIRONMENT_VARIABLE, "NAME"),
        ({"endpoint_input_name": "other"}, Source.ENDPOINT, "other"),
        ({"is_null": True}, Source.IS_NULL, True),
        ({"is_null": False, "constant_value": 1}, Source.CONSTANT, 1),
    ],
)
def test_each_kind_of_source_is_read(given: dict[str, Any], source: Source, at: object) -> None:
    mapping = map_inputs(INPUTS, [item("number", **given)], Rule.ENDPOINT)[1]
    assert (mapping.source, mapping.at) == (source, at)


def test_the_default_and_the_need_of_a_deployment_win_over_the_pipelines() -> None:
    given = [item("text", endpoint_input_name="t", default_value="of the deployment", is_required=True)]
    mapping = map_inputs(INPUTS, given, Rule.ENDPOINT)[0]
    assert (mapping.default_value, mapping.is_required) == ("of the deployment", True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("text", "inputs_mapping: must be a list"),
        (["text"], r"inputs_mapping\[0\]: must be an object"),
        ([item("unknown", is_null=True)], r"inputs_mapping\[0\].pipeline_input_name.*text, number, file"),
        ([{"is_null": True}], r"inputs_mapping\[0\].pipeline_input_name"),
        ([item("text", is_null=True), item("text", is_null=True)], "mapped twice"),
        ([item("number")], "names no source.*is_null"),
        ([item("number", constant_value=1, is_null=True)], "has constant_value and is_null"),
        ([item("number", constant_value="1")], r"constant_value: must be of type number, got string"),
        ([item("number", constant_value=True)], "must be of type number, got boolean"),
        ([item("file", constant_value="x")], "a file input cannot be a constant"),
        ([item("file", environment_variable_name="X")], "a file input cannot be a variable"),
        ([item("text", environment_variable_name="CRAFT_AI_TOKEN")], "is not a variable name"),
        ([item("text", is_null="yes")], "is_null: must be true or false"),
        ([item("text", constant_value="x", is_required=True)], "only applies to an endpoint input"),
        ([item("text", endpoint_input_name="t", default_value=1)], "default_value: must be of type string"),
        ([item("text", endpoint_input_name="a b")], "endpoint_input_name.*is not a name"),
        ([item("text", endpoint_input_name="number")], 'is used for both "text" and "number"'),
    ],
)
def test_a_wrong_mapping_is_refused_and_says_where(given: object, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        map_inputs(INPUTS, given, Rule.ENDPOINT)


@pytest.mark.parametrize(
    ("given", "rule", "said"),
    [
        ([output("text")], Rule.ENDPOINT, "names no source or destination"),
        ([output("unknown", is_null=True)], Rule.ENDPOINT, "the pipeline has no output 'unknown'"),
        ([output("text", endpoint_output_name="t")], None, "a run has no endpoint"),
        ([output("text", endpoint_output_name="file")], Rule.ENDPOINT, "is used for both"),
    ],
)
def test_a_wrong_output_mapping_is_refused(given: object, rule: Rule | None, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        map_outputs(OUTPUTS, given, rule)


def test_older_clients_may_say_step_input_name() -> None:
    mapping = map_inputs(INPUTS, [{"step_input_name": "number", "constant_value": 1}], Rule.ENDPOINT)[1]
    assert mapping.at == 1


def test_values_files_defaults_and_variables_are_resolved() -> None:
    given = [item("file", endpoint_input_name="upload")]
    resolved = resolve_inputs(map_inputs(INPUTS, given, Rule.ENDPOINT), {"number": 1, "extra": 2}, ["upload"])
    assert resolved.values == {"text": "of the pipeline", "number": 1}
    assert resolved.files == {"file": "upload"}
    assert resolved.ignored == ("extra",)


def test_a_variable_is_left_to_the_start_of_the_execution() -> None:
    mappings = map_inputs(INPUTS, [item("number", environment_variable_name="N")], Rule.ENDPOINT)
    assert "number" not in resolve_inputs(mappings, {}, []).values


@pytest.mark.parametrize(
    ("values", "files", "said"),
    [
        ({}, [], "number: is required and was not sent"),
        ({"number": None}, [], "number: is required"),
        ({"number": "1"}, [], "number: must be of type number, got string"),
        ({"number": 1, "text": ["x"]}, [], "text: must be of type string, got array"),
        ({"number": 1, "file": "x"}, [], "file: is a file input but got a value"),
        ({}, ["number"], "number: got a file but is of type number"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(values: dict[str, Any], files: list[str], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        resolve_inputs(map_inputs(INPUTS, None, Rule.ENDPOINT), values, files)


@pytest.mark.parametrize("rule", [None, Rule.ENDPOINT, Rule.PERIODIC])
def test_files_come_from_the_data_store_and_go_there_by_every_trigger(rule: Rule | None) -> None:
    inputs = map_inputs(
        [Input("f", DataType.FILE)], [{"pipeline_input_name": "f", "datastore_path": "a b/é.bin"}], rule
    )
    outputs = map_outputs(
        [Output("o", DataType.FILE)], [{"pipeline_output_name": "o", "datastore_path": "{date}/{execution_id}"}], rule
    )
    assert [(one.source, one.at) for one in inputs] == [(Source.DATASTORE, "a b/é.bin")]
    assert [(one.destination, one.at) for one in outputs] == [(Destination.DATASTORE, "{date}/{execution_id}")]
    resolved = resolve_inputs(inputs, {}, [])
    assert (resolved.values, resolved.files, resolved.ignored) == ({}, {}, ())


@pytest.mark.parametrize("data_type", [one for one in DataType if one is not DataType.FILE])
def test_values_neither_come_from_the_data_store_nor_go_there(data_type: DataType) -> None:
    with pytest.raises(InvalidInputError, match="datastore_path"):
        map_inputs([Input("v", data_type)], [{"pipeline_input_name": "v", "datastore_path": "a"}], None)
    with pytest.raises(InvalidInputError, match="datastore_path"):
        map_outputs([Output("v", data_type)], [{"pipeline_output_name": "v", "datastore_path": "a"}], None)
