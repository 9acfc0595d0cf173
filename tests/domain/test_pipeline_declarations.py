"""Declarations of pipelines: what is read, and that every refusal names the field and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from pipeyard.domain.pipeline_declarations import read_declaration
from pipeyard.domain.pipelines import ContainerConfig, Input, Output
from pipeyard.domain.values import DataType
from pipeyard.errors import InvalidInputError

GOOD: dict[str, Any] = {"pipeline_name": "p", "function_path": "src/main.py", "function_name": "run"}


def test_a_minimal_declaration_takes_every_default() -> None:
    declaration = read_declaration(GOOD)
    assert (declaration.name, declaration.function_path, declaration.function_name) == ("p", "src/main.py", "run")
    assert declaration.description is None
    assert (declaration.inputs, declaration.outputs) == ((), ())
    assert declaration.container_config == ContainerConfig()


def test_a_full_declaration_is_read_field_by_field() -> None:
    declaration = read_declaration(
        {
            "pipeline_name": "My_pipe-line.2",
            "function_path": "/src/./part-1.py",
            "function_name": "entry",
            "description": "é & = ü",
            "container_config": {
                "language": "python:3.12-slim",
                "repository_url": "git@x:y.git",
                "repository_branch": "main",
                "repository_deploy_key": "-----BEGIN-----\nAAA\n",
                "requirements_path": "/reqs/prod.txt",
                "included_folders": ["/src", "data dir/"],
                "system_dependencies": ["git", "libgomp1", "g++", "git"],
                "dockerfile_path": None,
            },
            "inputs": [
                {"name": "s", "data_type": "string", "description": "d", "is_required": True, "default_value": ""},
                {"name": "n", "data_type": "number", "default_value": 1.5},
                {"name": "b", "data_type": "boolean", "is_required": False, "default_value": False},
                {"name": "j", "data_type": "json", "default_value": {"a": [1]}},
                {"name": "a", "data_type": "array", "default_value": []},
                {"name": "f", "data_type": "file", "is_required": None, "default_value": None},
            ],
            "outputs": [
                {"name": "out-1", "data_type": "json", "description": "od"},
                {"name": "s", "data_type": "file"},
            ],
        }
    )
    assert declaration.name == "My_pipe-line.2"
    assert declaration.function_path == "src/part-1.py"
    assert declaration.description == "é & = ü"
    assert declaration.inputs == (
        Input("s", DataType.STRING, "d", True, ""),
        Input("n", DataType.NUMBER, None, False, 1.5),
        Input("b", DataType.BOOLEAN, None, False, False),
        Input("j", DataType.JSON, None, False, {"a": [1]}),
        Input("a", DataType.ARRAY, None, False, []),
        Input("f", DataType.FILE),
    )
    assert declaration.outputs == (Output("out-1", DataType.JSON, "od"), Output("s", DataType.FILE))
    assert declaration.container_config == ContainerConfig(
        language="python:3.12-slim",
        repository_url="git@x:y.git",
        repository_branch="main",
        requirements_path="reqs/prod.txt",
        included_folders=("/src", "data dir/"),
        system_dependencies=("git", "libgomp1", "g++"),
    )


def test_an_absent_key_is_the_projects_and_a_null_one_is_nothing() -> None:
    project = ContainerConfig(
        language="python:3.10-slim",
        requirements_path="requirements.txt",
        included_folders=("/",),
        system_dependencies=("git",),
    )
    assert read_declaration(GOOD, project).container_config == project
    assert read_declaration({**GOOD, "container_config": {}}, project).container_config == project
    null = {"requirements_path": None, "included_folders": None, "system_dependencies": None}
    config = read_declaration({**GOOD, "container_config": null}, project).container_config
    assert config == ContainerConfig(language="python:3.10-slim")


def test_the_deploy_key_is_not_kept() -> None:
    declaration = read_declaration({**GOOD, "container_config": {"repository_deploy_key": "TOP SECRET"}})
    assert "TOP SECRET" not in repr(declaration)


def _with_input(**keys: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "a", "data_type": "string", **keys}]}


def _with_output(**keys: Any) -> dict[str, Any]:
    return {"outputs": [{"name": "a", "data_type": "string", **keys}]}


def _with_config(**keys: Any) -> dict[str, Any]:
    return {"container_config": keys}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"pipeline_name": None}, "pipeline_name", "missing"),
    ({"pipeline_name": ""}, "pipeline_name", "missing"),
    ({"pipeline_name": "a b"}, "pipeline_name", "is not a name"),
    ({"pipeline_name": "../x"}, "pipeline_name", "is not a name"),
    ({"pipeline_name": "é"}, "pipeline_name", "is not a name"),
    ({"pipeline_name": "x" * 101}, "pipeline_name", "1 to 100"),
    ({"pipeline_name": ["p"]}, "pipeline_name", "must be text"),
    ({"pipeline_name": "p\n"}, "pipeline_name", "is not a name"),
    ({"pipeline_template_name": "t"}, "pipeline_template_name", "JSON with"),
    ({"function": "x"}, "function", "function_path"),
    ({"step_name": "x"}, "step_name", "pipeline_name"),
    ({"function_path": None}, "function_path", "missing"),
    ({"function_path": ""}, "function_path", "missing"),
    ({"function_path": 3}, "function_path", "must be text"),
    ({"function_path": "../main.py"}, "function_path", '".."'),
    ({"function_path": "src/../../main.py"}, "function_path", '".."'),
    ({"function_path": "//etc/main.py"}, "function_path", "absolute"),
    ({"function_path": "src\\main.py"}, "function_path", "\\"),
    ({"function_path": "src/main.txt"}, "function_path", ".py"),
    ({"function_path": "src/main"}, "function_path", ".py"),
    ({"function_path": "src/.py"}, "function_path", ".py"),
    ({"function_path": "/"}, "function_path", ".py"),
    ({"function_path": "a\x00.py"}, "function_path", "cannot be printed"),
    ({"function_path": "a/" * 400 + "b.py"}, "function_path", "at most"),
    ({"function_name": None}, "function_name", "missing"),
    ({"function_name": "a.b"}, "function_name", "cannot be the name"),
    ({"function_name": "1a"}, "function_name", "cannot be the name"),
    ({"function_name": "class"}, "function_name", "cannot be the name"),
    ({"function_name": "a()"}, "function_name", "cannot be the name"),
    ({"function_name": {"a": 1}}, "function_name", "must be text"),
    ({"function_name": "f" * 101}, "function_name", "at most 100"),
    ({"description": ["d"]}, "description", "must be text"),
    ({"description": "d" * 10_001}, "description", "at most 10000"),
    ({"inputs": "a"}, "inputs", "must be a list"),
    ({"inputs": {"1": {"name": "a"}}}, "inputs", "without gaps"),
    ({"inputs": ["a"]}, "inputs[0]", "must be an object"),
    ({"inputs": [{}] * 201}, "inputs", "at most 200"),
    ({"inputs": [{"data_type": "string"}]}, "inputs[0].name", "missing"),
    ({"inputs": [{"name": "a"}]}, "inputs[0].data_type", "missing"),
    ({"inputs": [{"name": "a", "data_type": "text"}]}, "inputs[0].data_type", "string, number, boolean"),
    ({"inputs": [{"name": "a", "data_type": "String"}]}, "inputs[0].data_type", "is not a data type"),
    ({"inputs": [{"name": "a", "data_type": ["json"]}]}, "inputs[0].data_type", "must be text"),
    ({"inputs": [{"name": "a", "data_type": "json"}] * 2}, "inputs[1].name", "inputs[0]"),
    (_with_input(name="a b"), "inputs[0].name", "is not a name"),
    (_with_input(name="a-b"), "inputs[0].name", "parameter"),
    (_with_input(name="1a"), "inputs[0].name", "parameter"),
    (_with_input(name="for"), "inputs[0].name", "parameter"),
    (_with_input(type="string"), "inputs[0].type", "data_type"),
    (_with_input(is_required="yes"), "inputs[0].is_required", "true or false"),
    (_with_input(is_required=1), "inputs[0].is_required", "true or false"),
    (_with_input(description=1), "inputs[0].description", "must be text"),
    (_with_input(default_value=1), "inputs[0].default_value", "string"),
    (_with_input(data_type="number", default_value=True), "inputs[0].default_value", "got boolean"),
    (_with_input(data_type="number", default_value="1"), "inputs[0].default_value", "got string"),
    (_with_input(data_type="boolean", default_value=0), "inputs[0].default_value", "got number"),
    (_with_input(data_type="array", default_value={}), "inputs[0].default_value", "got json object"),
    (_with_input(data_type="file", default_value="x"), "inputs[0].default_value", "no default"),
    (_with_input(data_type="file", default_value={"path": "x"}), "inputs[0].default_value", "no default"),
    (_with_input(data_type="file", name="json_inputs"), "inputs[0].name", "reserved"),
    (_with_input(data_type="file", name="inputs_mapping"), "inputs[0].name", "reserved"),
    (_with_input(data_type="file", name="outputs_mapping"), "inputs[0].name", "reserved"),
    ({"outputs": 1}, "outputs", "must be a list"),
    ({"outputs": [None]}, "outputs[0]", "must be an object"),
    ({"outputs": [{"name": "o", "data_type": "file"}] * 2}, "outputs[1].name", "outputs[0]"),
    ({"outputs": [{}] * 201}, "outputs", "at most 200"),
    (_with_output(name="a/b"), "outputs[0].name", "is not a name"),
    (_with_output(name=""), "outputs[0].name", "missing"),
    (_with_output(data_type="int"), "outputs[0].data_type", "is not a data type"),
    (_with_output(default_value=1), "outputs[0].default_value", "only applies to an input"),
    (_with_output(is_required=True), "outputs[0].is_required", "only applies to an input"),
    (_with_output(unit="m"), "outputs[0].unit", "data_type"),
    ({"container_config": "python"}, "container_config", "must be an object"),
    ({"container_config": ["python"]}, "container_config", "must be an object"),
    (_with_config(requirement_path="r.txt"), "container_config.requirement_path", "requirements_path"),
    (_with_config(local_folder="/x"), "container_config.local_folder", "included_folders"),
    (_with_config(language=None), "container_config.language", "python:3.X-slim"),
    (_with_config(language=""), "container_config.language", "python:3.X-slim"),
    (_with_config(language=3.11), "container_config.language", "must be text"),
    (_with_config(language="python"), "container_config.language", "python:3.X-slim"),
    (_with_config(language="python:3.11"), "container_config.language", "python:3.X-slim"),
    (_with_config(language="python:2.7-slim"), "container_config.language", "python:3.X-slim"),
    (_with_config(language="python:3.011-slim"), "container_config.language", "python:3.X-slim"),
    (_with_config(language="node:20"), "container_config.language", "python:3.X-slim"),
    (_with_config(language="python-cuda:3.10-12.1"), "container_config.language", "container image"),
    (_with_config(repository_url=1), "container_config.repository_url", "must be text"),
    (_with_config(repository_url="a\nb"), "container_config.repository_url", "one line"),
    (_with_config(repository_branch=""), "container_config.repository_branch", "one line"),
    (_with_config(requirements_path=[]), "container_config.requirements_path", "must be text"),
    (_with_config(requirements_path="/"), "container_config.requirements_path", "names no file"),
    (_with_config(requirements_path="../r.txt"), "container_config.requirements_path", '".."'),
    (_with_config(included_folders="/src"), "container_config.included_folders", "must be a list"),
    (_with_config(included_folders=[1]), "container_config.included_folders[0]", "must be text"),
    (_with_config(included_folders=["src", ".."]), "container_config.included_folders[1]", '".."'),
    (_with_config(included_folders=["x"] * 201), "container_config.included_folders", "at most 200"),
    (_with_config(system_dependencies="git"), "container_config.system_dependencies", "must be a list"),
    (_with_config(system_dependencies=["Git"]), "container_config.system_dependencies[0]", "APT package"),
    (_with_config(system_dependencies=["git=1.0"]), "container_config.system_dependencies[0]", "no version"),
    (_with_config(system_dependencies=["--help"]), "container_config.system_dependencies[0]", "APT package"),
    (_with_config(system_dependencies=["a; rm -rf"]), "container_config.system_dependencies[0]", "APT package"),
    (_with_config(system_dependencies=[None]), "container_config.system_dependencies[0]", "must be text"),
    (_with_config(dockerfile_path="Dockerfile"), "container_config.dockerfile_path", "Kubernetes"),
]


@pytest.mark.parametrize(("change", "field", "said"), REFUSED, ids=[f"{i}-{case[1]}" for i, case in enumerate(REFUSED)])
def test_what_is_wrong_is_refused_naming_the_field(change: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_declaration({**GOOD, **change})
    assert caught.value.field == field
    assert said in caught.value.message
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("name", ["json_inputs", "inputs_mapping", "outputs_mapping"])
def test_the_parts_of_a_run_are_free_as_names_of_values(name: str) -> None:
    assert read_declaration({**GOOD, **_with_input(name=name)}).inputs[0].name == name


def test_the_limits_themselves_are_allowed() -> None:
    inputs = [{"name": f"i{index}", "data_type": "number", "default_value": 10**20} for index in range(200)]
    declaration = read_declaration({**GOOD, "pipeline_name": "x" * 100, "inputs": inputs, "description": "d" * 10_000})
    assert len(declaration.inputs) == 200
