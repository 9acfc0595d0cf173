"""An update changes values of mappings, never their type."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeyard.domain.mapping_updates import update_inputs, update_outputs
from pipeyard.domain.mappings import Destination, InputMapping, Source, map_inputs, map_outputs
from pipeyard.domain.modes import Rule
from pipeyard.domain.pipelines import Input, Output
from pipeyard.domain.values import DataType
from pipeyard.errors import InvalidInputError

INPUTS = (
    Input("number", DataType.NUMBER),
    Input("thing", DataType.JSON),
    Input("variable", DataType.STRING),
    Input("null", DataType.FILE),
    Input("called", DataType.STRING, "of the pipeline", default_value="p"),
)
OUTPUTS = (Output("out", DataType.STRING), Output("nothing", DataType.STRING))


def item(name: str, **source: Any) -> dict[str, Any]:
    return {"pipeline_input_name": name, **source}


PRESENT = map_inputs(
    INPUTS,
    [
        item("number", constant_value=1),
        item("thing", constant_value=1),
        item("variable", environment_variable_name="V"),
        item("null", is_null=True),
        item("called", endpoint_input_name="c", is_required=True, default_value="d"),
    ],
    Rule.ENDPOINT,
)
PRESENT_OUTPUTS = map_outputs(OUTPUTS, [{"pipeline_output_name": "nothing", "is_null": True}], Rule.ENDPOINT)


def values(mappings: tuple[InputMapping, ...]) -> list[Any]:
    return [mapping.at for mapping in mappings]


@pytest.mark.parametrize("given", [None, []])
def test_what_is_not_mentioned_stays(given: object) -> None:
    assert update_inputs(INPUTS, PRESENT, given) == PRESENT
    assert update_outputs(OUTPUTS, PRESENT_OUTPUTS, given) == PRESENT_OUTPUTS


def test_a_constant_gets_another_value_and_nothing_else_changes() -> None:
    updated = update_inputs(INPUTS, PRESENT, [item("number", constant_value=2.5)])
    assert updated == (replace(PRESENT[0], at=2.5), *PRESENT[1:])


def test_json_values_that_python_takes_for_equal_are_told_apart() -> None:
    for value in (True, 1.0, 0, False):
        updated = update_inputs(INPUTS, PRESENT, [item("thing", constant_value=value)])
        assert (updated[1].at, type(updated[1].at)) == (value, type(value))


def test_what_is_said_again_as_it_is_shown_changes_nothing() -> None:
    shown = [
        item("variable", environment_variable_name="V", data_type="string", description=None),
        item("null", is_null=True),
        item("called", endpoint_input_name="c", is_required=True, default_value="d"),
        item("number", constant_value=1),
    ]
    assert update_inputs(INPUTS, PRESENT, shown) == PRESENT
    outputs = [
        {"pipeline_output_name": "out", "endpoint_output_name": "out"},
        {"pipeline_output_name": "nothing", "is_null": True},
    ]
    assert update_outputs(OUTPUTS, PRESENT_OUTPUTS, outputs) == PRESENT_OUTPUTS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (item("number", is_null=True), '"number" has a mapping of type constant, which an update cannot make is_null'),
        (item("number", endpoint_input_name="n"), "constant, which an update cannot make endpoint; allowed: another"),
        (item("number", constant_value="2"), "constant_value: must be of type number"),
        (item("variable", constant_value="v"), '"variable" has a mapping of type environment_variable, which an'),
        (item("variable", environment_variable_name="W"), "environment_variable, which an update cannot change"),
        (item("null", endpoint_input_name="f"), '"null" has a mapping of type is_null, which an update cannot make'),
        (item("called", endpoint_input_name="other"), '"called" has a mapping of type endpoint, which an update'),
        (item("called", endpoint_input_name="c", is_required=False), "endpoint, which an update cannot change"),
        (item("called", constant_value="x"), "endpoint, which an update cannot make constant; allowed: leave it out"),
    ],
)
def test_the_type_of_a_mapping_cannot_be_updated(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=r"inputs_mapping\[1\]") as refused:
        update_inputs(INPUTS, PRESENT, [item("thing", constant_value=2), changed])
    assert said in refused.value.message


def test_the_destination_of_an_output_cannot_be_updated() -> None:
    with pytest.raises(InvalidInputError, match='the output "out" has a mapping of type endpoint, which an update'):
        update_outputs(OUTPUTS, PRESENT_OUTPUTS, [{"pipeline_output_name": "out", "endpoint_output_name": "other"}])
    with pytest.raises(InvalidInputError, match='the output "nothing" has a mapping of type is_null'):
        update_outputs(OUTPUTS, PRESENT_OUTPUTS, [{"pipeline_output_name": "nothing", "endpoint_output_name": "o"}])


def test_a_data_store_path_is_as_changeable_as_a_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    file = replace(PRESENT[3], source=Source.DATASTORE, at="old/path")
    output = replace(PRESENT_OUTPUTS[1], destination=Destination.DATASTORE, at="old/path")
    # Whatever a creation makes of the item, the update takes its value.
    for name, old in (("map_inputs", file), ("map_outputs", output)):
        monkeypatch.setattr(f"pipeyard.domain.mapping_updates.{name}", lambda *_, old=old: (replace(old, at="new"),))
    assert update_inputs(INPUTS[3:4], [file], [item("null", datastore_path="new")])[0].at == "new"
    given = [{"pipeline_output_name": "nothing", "datastore_path": "new"}]
    assert update_outputs(OUTPUTS[1:], [output], given)[0].at == "new"
