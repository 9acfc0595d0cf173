"""What is stored is what was there."""

from pipeyard.domain.executions import Failure
from pipeyard.domain.mappings import map_inputs, map_outputs
from pipeyard.domain.modes import Rule
from pipeyard.domain.pipelines import ContainerConfig, Input, Output, PipelineDeclaration
from pipeyard.domain.records import (
    declaration_from_json,
    declaration_to_json,
    failure_from_json,
    failure_to_json,
    mappings_from_json,
    mappings_to_json,
)
from pipeyard.domain.values import DataType

INPUTS = (
    Input("text", DataType.STRING, "héllo", True, None),
    Input("json", DataType.JSON, None, False, {"a": [1, None]}),
)
OUTPUTS = (Output("file", DataType.FILE, "out"),)


def test_a_declaration_survives_the_store() -> None:
    config = ContainerConfig(included_folders=("/src", "data"), system_dependencies=("git",), requirements_path="r.txt")
    declaration = PipelineDeclaration("p", "src/main.py", "main", "words", INPUTS, OUTPUTS, config)
    assert declaration_from_json(declaration_to_json(declaration)) == declaration


def test_mappings_survive_the_store() -> None:
    inputs = map_inputs(INPUTS, [{"pipeline_input_name": "json", "constant_value": {"b": 1}}], Rule.ENDPOINT)
    outputs = map_outputs(OUTPUTS, None, Rule.ENDPOINT)
    assert mappings_from_json(mappings_to_json(inputs, outputs)) == (inputs, outputs)


def test_a_failure_survives_the_store() -> None:
    failure = Failure("raised", "ValueError: x", None, "Traceback...", "SIGSEGV", 3, 1 << 40, 1)
    assert failure_from_json(failure_to_json(failure)) == failure
    assert failure_from_json('["lost", "gone", null, null]') == Failure("lost", "gone")  # as an older version wrote it
    assert failure_to_json(None) is None
    assert failure_from_json(None) is None
