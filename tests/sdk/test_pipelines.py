"""What creates a pipeline and runs it: forms and archives."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from pipeyard import CREATION_PARAMETER_VALUE, Input, InputSource, Output, OutputDestination
from pipeyard.api.forms import decode_pipeline_form
from pipeyard.sdk.archives import build_archive
from pipeyard.sdk.forms import pipeline_form
from tests.sdk.clients import API, FakeServer
from tests.sdk.multiparts import parts

READY = {
    "parameters": {
        "pipeline_name": "p",
        "inputs": [{"name": "f", "data_type": "file"}, {"name": "s", "data_type": "json"}],
    },
    "creation_info": {"status": "ready"},
}


@pytest.fixture
def pipelines(server: FakeServer) -> FakeServer:
    server.on("POST", f"{API}/pipelines", (206, {}))
    server.on("GET", f"{API}/pipelines/p", READY)
    server.on("GET", f"{API}/pipelines/p/executions/latest", {})
    server.on("POST", f"{API}/pipelines/p/run", (202, {"execution_id": "e"}))
    server.on("GET", f"{API}/project-information", {"included_folders": ["/"], "requirements_path": None})
    return server


def members(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


# --- forms ---


def test_a_git_pipeline_is_a_form_without_files(sdk: Any, pipelines: FakeServer) -> None:
    config = {
        "repository_url": "git@x:y.git",
        "requirements_path": CREATION_PARAMETER_VALUE.NULL,
        "language": CREATION_PARAMETER_VALUE.FALLBACK_PROJECT,
        "included_folders": ["/src", "data dir/"],
        "system_dependencies": [],
        "dockerfile_path": None,
    }
    sdk.create_pipeline("p", "main.py", "f", "é & =", config, [Input("b", "boolean", default_value=False)], [])
    sent = dict(parse_qsl(pipelines.requests[0].content.decode(), keep_blank_values=True))
    assert sent == {
        "pipeline_name": "p",
        "function_path": "main.py",
        "function_name": "f",
        "description": "é & =",
        "container_config[repository_url]": "git@x:y.git",
        "container_config[requirements_path]": "",
        "container_config[included_folders][0]": "/src",
        "container_config[included_folders][1]": "data dir/",
        "inputs[0][name]": "b",
        "inputs[0][data_type]": "boolean",
        "inputs[0][default_value]": "False",
    }


DEFAULTS = [
    ("string", "x"),
    ("string", ""),
    ("string", "1"),
    ("number", 1.5),
    ("number", 10**20),
    ("boolean", True),
    ("json", {"a": [1, "1", True, None, {}], "we[ird]": []}),
    ("json", {}),
    ("json", 3),
    ("array", []),
    ("array", [[2], [], "2", None]),
    ("array", [{"default_value": {"x": "1"}}]),
]


@pytest.mark.parametrize(("data_type", "value"), DEFAULTS)
def test_a_default_value_reaches_the_server_as_it_was(data_type: str, value: Any) -> None:
    form = pipeline_form({"pipeline_name": "p"}, {}, [Input("i", data_type, default_value=value)], None)
    decoded = decode_pipeline_form(list(form.items()))
    assert decoded["inputs"][0]["default_value"] == value
    assert type(decoded["inputs"][0]["default_value"]) is type(value)


def test_a_default_value_without_a_json_form_is_refused_by_name(sdk: Any, pipelines: FakeServer) -> None:
    with pytest.raises(TypeError, match=r'input "inputs\[0\]\[default_value\]": .*bytes'):
        sdk.create_pipeline("p", "m.py", "f", inputs=[Input("i", "json", default_value={"x": b"1"})])
    assert pipelines.requests == []


@pytest.mark.parametrize(
    "options",
    [{"inputs": [Output("x", "json")]}, {"outputs": [Input("x", "json")]}, {"inputs": "x"}, {"outputs": {"x": 1}}],
)
def test_declarations_of_another_kind_are_refused(sdk: Any, pipelines: FakeServer, options: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a list of"):
        sdk.create_pipeline("p", "main.py", "f", **options)
    assert pipelines.requests == []


def test_a_template_goes_alone(sdk: Any, pipelines: FakeServer) -> None:
    sdk.create_pipeline("p", pipeline_template_name="t")
    assert json.loads(pipelines.requests[0].content) == {"pipeline_name": "p", "pipeline_template_name": "t"}
    with pytest.raises(ValueError, match="pipeline_template_name"):
        sdk.create_pipeline("p", "main.py", pipeline_template_name="t")


# --- archives ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("src/main.py", "src/deep/data.txt", "requirements.txt", "other.py", ".git/config", ".hidden"):
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path)
    (tmp_path / "src" / "__pycache__").mkdir()
    (tmp_path / "src" / "__pycache__" / "main.pyc").write_text("x")
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("x")
    return tmp_path


def test_a_folder_is_sent_as_an_archive_beside_the_form(sdk: Any, pipelines: FakeServer, folder: Path) -> None:
    config = {"local_folder": str(folder), "included_folders": ["/src"], "requirements_path": "/requirements.txt"}
    sdk.create_pipeline("p", "/src/main.py", "f", container_config=config)
    sent = parts(pipelines.requests[1])
    assert sent["function_path"] == (None, b"/src/main.py")
    assert "container_config[local_folder]" not in sent
    file_name, archive = sent["step_file"]
    assert file_name == "step_file"
    assert members(archive) == ["src", "src/deep", "src/deep/data.txt", "src/main.py", "requirements.txt"]
    assert config["local_folder"] == str(folder), "the user's dictionary is the user's"


@pytest.mark.parametrize(
    ("config", "project", "expected"),
    [
        ({}, {"included_folders": ["src"]}, ["src", "src/deep", "src/deep/data.txt", "src/main.py"]),
        ({"included_folders": []}, {"included_folders": ["/"]}, ["src/main.py"]),
        ({"included_folders": None}, {"included_folders": ["other.py"]}, ["other.py", "src/main.py"]),
        ({"included_folders": CREATION_PARAMETER_VALUE.NULL}, {"included_folders": ["/"]}, ["src/main.py"]),
        ({"included_folders": []}, {"requirements_path": "requirements.txt"}, ["requirements.txt", "src/main.py"]),
        (
            {"requirements_path": CREATION_PARAMETER_VALUE.NULL},
            {"requirements_path": "requirements.txt"},
            ["src/main.py"],
        ),
        (
            {"included_folders": ["/"]},
            {},
            [".hidden", "other.py", "requirements.txt", "src", "src/deep", "src/deep/data.txt", "src/main.py"],
        ),
        ({"included_folders": [".git"]}, {}, [".git", ".git/config", "src/main.py"]),
        ({"included_folders": ["./src/deep/", "src/deep"]}, {}, ["src/deep", "src/deep/data.txt", "src/main.py"]),
    ],
)
def test_the_archive_has_what_was_asked_for_once(
    sdk: Any, pipelines: FakeServer, folder: Path, config: Any, project: Any, expected: list[str]
) -> None:
    pipelines.on("GET", f"{API}/project-information", project)
    sdk.create_pipeline("p", "src/main.py", "f", container_config={"local_folder": str(folder), **config})
    assert members(parts(pipelines.requests[1])["step_file"][1]) == expected


def test_a_link_is_kept_as_a_link_and_owners_are_not(folder: Path) -> None:
    (folder / "link").symlink_to("src")
    with build_archive(folder, ["link", "other.py"]) as file, tarfile.open(fileobj=file) as tar:
        link, other = tar.getmembers()
        assert (link.type, link.linkname) == (tarfile.SYMTYPE, "src")
        assert (other.uid, other.gid, other.uname, other.gname) == (0, 0, "", "")


@pytest.mark.parametrize(
    ("config", "path", "error", "told"),
    [
        ({}, "nope.py", FileNotFoundError, "no nope.py in the local folder"),
        ({"requirements_path": "nope.txt"}, "other.py", FileNotFoundError, "nope.txt"),
        ({"included_folders": "src"}, "other.py", ValueError, "must be a list of paths, got str"),
        ({"included_folders": ["../x"]}, "other.py", ValueError, "leads out of the local folder"),
        ({"local_folder": "/nowhere/at/all"}, "other.py", FileNotFoundError, "there is no folder"),
    ],
)
def test_a_path_that_cannot_be_sent_is_refused_before_the_form_is(
    sdk: Any, pipelines: FakeServer, folder: Path, config: Any, path: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        sdk.create_pipeline("p", path, "f", container_config={"local_folder": str(folder), **config})
    assert "POST" not in {request.method for request in pipelines.requests}


# --- running ---


def test_values_and_files_of_a_run_are_told_apart_by_their_declared_type(
    sdk: Any, pipelines: FakeServer, folder: Path
) -> None:
    source = folder / "other.py"
    mapping = [InputSource("c", constant_value=0)], [OutputDestination("o", is_null=True)]
    for value in (str(source), source, b"other.py", io.BytesIO(b"other.py"), bytearray(b"other.py")):
        sdk.run_pipeline("p", {"f": value, "s": {"x": "é"}}, *mapping, wait_for_completion=False)
        sent = parts(pipelines.requests[-1])
        assert sent["f"][1] == b"other.py"
        assert json.loads(sent["json_inputs"][1]) == {"s": {"x": "é"}}
        assert json.loads(sent["inputs_mapping"][1]) == [{"pipeline_input_name": "c", "constant_value": 0}]
        assert json.loads(sent["outputs_mapping"][1]) == [{"pipeline_output_name": "o", "is_null": True}]


def test_a_run_without_files_is_a_plain_form(sdk: Any, pipelines: FakeServer) -> None:
    sdk.run_pipeline("p", {"s": float("nan")}, wait_for_completion=False)
    sdk.run_pipeline("p", inputs_mapping=[], wait_for_results=False)
    forms = [dict(parse_qsl(request.content.decode())) for request in pipelines.requests if request.method == "POST"]
    assert forms == [{"json_inputs": '{"s": NaN}'}, {"json_inputs": "{}", "inputs_mapping": "[]"}]


def test_a_file_that_was_read_is_sent_from_its_beginning_and_stays_open(sdk: Any, pipelines: FakeServer) -> None:
    file = io.BytesIO(b"content")
    file.read()
    sdk.run_pipeline("p", {"f": file}, wait_for_completion=False)
    assert parts(pipelines.requests[-1])["f"][1] == b"content"
    assert not file.closed


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        (3, ValueError, 'input "f" cannot be sent as a file: it is of type int'),
        (io.StringIO("x"), ValueError, 'input "f" was opened in text mode'),
        ("/nowhere", FileNotFoundError, "/nowhere"),
    ],
)
def test_what_is_no_binary_file_is_refused_by_name(
    sdk: Any, pipelines: FakeServer, value: Any, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        sdk.run_pipeline("p", {"f": value})
    assert pipelines.paths == [f"GET {API}/pipelines/p"]


@pytest.mark.parametrize("value", [{1, 2}, object(), [b"x"], {"x": {1: {2}}}])
def test_a_value_without_a_json_form_is_refused_by_name(sdk: Any, pipelines: FakeServer, value: Any) -> None:
    for call in (lambda: sdk.run_pipeline("p", {"s": value}), lambda: sdk.trigger_endpoint("d", inputs={"s": value})):
        with pytest.raises(TypeError, match=r'input "s": .*allowed: numbers'):
            call()


@pytest.mark.parametrize("inputs", [[1], "text", {1: 2}])
def test_inputs_without_names_are_refused(sdk: Any, pipelines: FakeServer, inputs: Any) -> None:
    for call in (lambda: sdk.run_pipeline("p", inputs), lambda: sdk.trigger_endpoint("d", inputs=inputs)):
        with pytest.raises(ValueError, match="'inputs' must be a dictionary"):
            call()


def test_a_trigger_has_values_as_json_and_files_as_parts(sdk: Any, server: FakeServer, folder: Path) -> None:
    server.on("POST", f"{API}/deployments/d/executions", (202, {"execution_id": "e"}))

    def sent(inputs: Any) -> httpx.Request:
        sdk.trigger_endpoint("d", inputs=inputs, wait_for_completion=False)
        return server.requests[-1]

    assert sent(None).content == b"{}"
    values = {"s": "txt", "n": 1.5, "z": None, "o": {"a": [1]}}
    request = sent(values)
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.content) == values
    both = parts(sent({**values, "f": b"", "g": folder / "other.py"}))
    assert {name: json.loads(both[name][1]) for name in values} == values
    assert (both["f"], both["g"]) == (("f", b""), ("g", b"other.py"))


# --- deployments ---


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        (("nonsense",), {}, "'execution_rule' is 'nonsense'; allowed: endpoint, periodic"),
        (("endpoint", "fast"), {}, "'mode' is 'fast'; allowed: elastic, low_latency"),
        (("endpoint",), {"schedule": "* * * * *"}, "'schedule' can only be given if 'execution_rule' is 'periodic'"),
        (("periodic",), {"endpoint_token": "x"}, "'endpoint_token' can only be given"),
        (("periodic",), {"endpoint_url_path": "x"}, "'endpoint_url_path' can only be given"),
        (("endpoint",), {"inputs_mapping": "custom-path"}, "'inputs_mapping' must be a list of InputSource"),
        (("endpoint",), {"outputs_mapping": [InputSource("x")]}, "one of them is InputSource"),
        (("endpoint",), {"schedule_jitter_s": 1}, "'schedule_jitter_s' can only be given if 'execution_rule' is 'per"),
        (
            ("periodic",),
            {"schedule_paused_until": "2027-01-01"},
            "'schedule_paused_until' must be a datetime.datetime, got str",
        ),
        (("endpoint", "elastic", []), {}, "'schedule' must be text"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_before_anything_is_sent(
    sdk: Any, server: FakeServer, arguments: Any, options: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        sdk.create_deployment("p", "d", *arguments, **options)
    assert server.requests == []


def test_what_was_not_given_is_not_sent(sdk: Any, server: FakeServer) -> None:
    shape = {"name": "d", "status": "up", "pipeline": {"name": "p"}}
    server.on("POST", f"{API}/endpoints", (201, {}))
    server.on("POST", f"{API}/periodic-deployment", (201, {}))
    server.on("GET", f"{API}/deployments/d", shape)
    sdk.create_deployment("p", "d", "endpoint", enable_parallel_executions=False, inputs_mapping=[])
    sdk.create_deployment("p", "d", "periodic", "low_latency", "0 0 * * *", gpu_request=0, execution_timeout_s=3)
    assert [json.loads(request.content) for request in server.requests if request.method == "POST"] == [
        {
            "pipeline_name": "p",
            "name": "d",
            "mode": "elastic",
            "enable_parallel_executions": False,
            "inputs_mapping": [],
        },
        {
            "pipeline_name": "p",
            "name": "d",
            "mode": "low_latency",
            "schedule": "0 0 * * *",
            "gpu_request": 0,
            "execution_timeout_s": 3,
        },
    ]
