"""Pipelines through the public client: creation from a folder with every kind of declaration, builds, deletion."""

import io
import re
import tarfile
import uuid

import pytest
from craft_ai_sdk import CREATION_PARAMETER_VALUE, Input, Output, SdkException

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _fresh() -> str:
    return f"p-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def folder(tmp_path):
    """A local folder with code in a sub-folder, data and something that no pipeline asks for."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("def entry(**inputs): return {}\n")
    (tmp_path / "data dir").mkdir()
    (tmp_path / "data dir" / "é.txt").write_text("seagull")
    (tmp_path / "other.txt").write_text("not asked for")
    return tmp_path


def _create(sdk, folder, **options):
    config = {"local_folder": str(folder)} | options.pop("container_config", {})
    return sdk.create_pipeline(_fresh(), "src/main.py", "entry", container_config=config, **options)


@pytest.mark.parametrize(
    ("data_type", "default"),
    [
        ("string", "hello"),
        ("string", "é & = ü %41 +"),
        ("string", "12"),
        ("string", "True"),
        ("string", "[1, 2]"),
        ("string", "two\nlines"),
        ("number", 0),
        ("number", 1.5),
        ("number", -3),
        ("number", 10**20),
        ("number", 1e-7),
        ("boolean", True),
        ("boolean", False),
        ("json", {"a": 1, "c": [1, "x", True]}),
        ("json", {"deep": {"er": {"est": [1.5, "é"]}}}),
        ("json", {"b": None}),
        ("json", [1, "x", False]),
        ("json", "text"),
        ("json", 3),
        ("array", [1, 2.5, "x", True]),
        ("array", list(range(12))),
        ("array", [[1, "x"], [2, "y"]]),
        ("array", [{"a": 1}, {"b": [2]}]),
    ],
)
def test_a_default_value_comes_back_in_its_type(sdk, folder, data_type, default):
    created = _create(sdk, folder, inputs=[Input("x", data_type, default_value=default)])
    (declared,) = created["parameters"]["inputs"]
    assert declared["data_type"] == data_type
    assert declared["default_value"] == default
    assert type(declared["default_value"]) is type(default)


def test_an_empty_text_is_a_default_value_and_none_is_not(sdk, folder):
    created = _create(sdk, folder, inputs=[Input("empty", "string", default_value=""), Input("none", "string")])
    empty, none = created["parameters"]["inputs"]
    assert empty["default_value"] == ""
    assert none.get("default_value") is None


def test_defaults_reach_the_function_in_their_types(platform):
    defaults = {"s": "1", "n": 0, "b": False, "j": {"a": [1, "x", True]}, "a": [1, 2]}
    types = {"s": "string", "n": "number", "b": "boolean", "j": "json", "a": "array"}
    name = platform.create_pipeline(
        "def main(**inputs): return {'got': repr(sorted(inputs.items()))}",
        [Input(key, types[key], default_value=value) for key, value in defaults.items()],
        [Output("got", "string")],
    )
    assert platform.sdk.run_pipeline(name)["outputs"]["got"] == repr(sorted(defaults.items()))


def test_more_than_ten_inputs_keep_their_order(sdk, folder):
    names = [f"i{number}" for number in range(13)]
    created = _create(sdk, folder, inputs=[Input(name, "number") for name in names])
    assert [declared["name"] for declared in created["parameters"]["inputs"]] == names


def test_descriptions_and_requirements_of_inputs_come_back(sdk, folder):
    created = _create(
        sdk,
        folder,
        description="descr é & = ü\nsecond line 🐋",
        inputs=[
            Input("a", "string", description="désc", is_required=True),
            Input("b", "string", is_required=False),
            Input("c", "file", is_required=True),
            Input("d", "number"),
        ],
        outputs=[Output("o", "json", description="sortie"), Output("of", "file")],
    )
    parameters = created["parameters"]
    assert parameters["description"] == "descr é & = ü\nsecond line 🐋"
    assert [declared["is_required"] for declared in parameters["inputs"]] == [True, False, True, False]
    assert parameters["inputs"][0]["description"] == "désc"
    assert parameters["outputs"] == [
        {"name": "o", "data_type": "json", "description": "sortie"},
        {"name": "of", "data_type": "file"},
    ]


def test_included_folders_are_what_the_function_finds(sdk, folder):
    (folder / "src" / "main.py").write_text(
        "import os\n"
        "def entry():\n"
        "    with open('data dir/é.txt') as file:\n"
        "        return {'said': file.read(), 'there': sorted(os.listdir('.'))}\n"
    )
    created = _create(
        sdk,
        folder,
        container_config={"included_folders": ["/src", "data dir/"]},
        outputs=[Output("said", "string"), Output("there", "array")],
    )
    assert created["parameters"]["container_config"]["included_folders"] == ["/src", "data dir/"]
    outputs = sdk.run_pipeline(created["parameters"]["pipeline_name"])["outputs"]
    assert outputs["said"] == "seagull"
    assert outputs["there"] == ["data dir", "src"]


def test_the_whole_folder_is_included_by_default(sdk, folder):
    (folder / "src" / "main.py").write_text(
        "import os\ndef entry(): return {'there': sorted(os.listdir('.'))}\n",
    )
    created = _create(sdk, folder, outputs=[Output("there", "array")])
    there = sdk.run_pipeline(created["parameters"]["pipeline_name"])["outputs"]["there"]
    assert there == ["data dir", "other.txt", "src"]


def test_requirements_are_installed_for_the_function(sdk, folder):
    package = folder / "whales"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[project]\nname = "whales"\nversion = "1.2"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text(BACKEND)
    (folder / "requirements.txt").write_text("./whales\n")
    (folder / "src" / "main.py").write_text(
        "import whales\nfrom importlib.metadata import version\n"
        "def entry(): return {'song': whales.SONG, 'version': version('whales')}\n"
    )
    created = _create(
        sdk,
        folder,
        container_config={"requirements_path": "requirements.txt", "language": "python:3.11-slim"},
        outputs=[Output("song", "string"), Output("version", "string")],
    )
    assert created["parameters"]["container_config"]["requirements_path"] == "requirements.txt"
    assert created["parameters"]["container_config"]["language"] == "python:3.11-slim"
    outputs = sdk.run_pipeline(created["parameters"]["pipeline_name"])["outputs"]
    assert outputs == {"song": "ooooo", "version": "1.2"}


# A build backend without dependencies, so that nothing has to be downloaded.
BACKEND = """
import zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "whales-1.2-py3-none-any.whl"
    info = "whales-1.2.dist-info"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("whales.py", "SONG = 'ooooo'")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: whales\\nVersion: 1.2\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", f"whales.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n")
    return name
"""


def test_requirements_can_be_explicitly_nothing(sdk, folder):
    created = _create(sdk, folder, container_config={"requirements_path": CREATION_PARAMETER_VALUE.NULL})
    assert created["parameters"]["container_config"]["requirements_path"] is None


def test_a_parameter_can_fall_back_on_the_project(sdk, folder):
    created = _create(
        sdk,
        folder,
        container_config={
            "requirements_path": CREATION_PARAMETER_VALUE.FALLBACK_PROJECT,
            "dockerfile_path": CREATION_PARAMETER_VALUE.FALLBACK_PROJECT,
            "system_dependencies": [],
        },
    )
    config = created["parameters"]["container_config"]
    assert config["requirements_path"] is None
    assert config["dockerfile_path"] is None
    assert config["system_dependencies"] == []
    assert "repository_deploy_key" not in config


def test_system_dependencies_that_are_installed_are_kept(sdk, folder):
    created = _create(sdk, folder, container_config={"system_dependencies": ["dpkg"]})
    assert created["parameters"]["container_config"]["system_dependencies"] == ["dpkg"]


@pytest.mark.parametrize(
    ("source", "config", "reason"),
    [
        ("def other(): pass", {}, "entry"),
        ("def entry(:", {}, "main.py"),
        ("def entry(): pass", {"system_dependencies": ["libsea-gull9"]}, "libsea-gull9"),
        ("def entry(): pass", {"language": "python:3.99-slim"}, "3.99"),
        ("def entry(): pass", {"requirements_path": "wrong.txt"}, "nowhere"),
    ],
    ids=["no such function", "a syntax error", "a system package", "a version of Python", "a requirement"],
)
def test_a_pipeline_that_cannot_be_built_says_why_in_its_logs(sdk, folder, source, config, reason):
    (folder / "src" / "main.py").write_text(source)
    (folder / "wrong.txt").write_text("./nowhere\n")
    name = _fresh()
    with pytest.raises(SdkException) as caught:
        sdk.create_pipeline(
            name, "src/main.py", "entry", container_config={"local_folder": str(folder), **config}, timeout_s=60
        )
    assert caught.value.name == "CreationFailed"
    assert sdk.get_pipeline(name)["creation_info"]["status"] == "creation_failed"
    log = "\n".join(line["message"] for line in sdk.get_pipeline_logs(name))
    assert reason in log
    with pytest.raises(SdkException, match="could not be built"):
        sdk.run_pipeline(name)
    assert sdk.delete_pipeline(name)["pipeline"] == {"name": name}


def test_the_file_of_the_function_must_be_in_the_archive(sdk, folder):
    with pytest.raises(SdkException) as caught:
        sdk.create_pipeline(
            _fresh(), "", "entry", container_config={"local_folder": str(folder), "included_folders": ["src"]}
        )
    assert caught.value.status_code == 400
    assert "function_path" in caught.value.message


def test_a_wrong_default_value_names_its_field_and_creates_nothing(sdk, folder):
    before = sdk.list_pipelines()
    with pytest.raises(SdkException) as caught:
        _create(sdk, folder, inputs=[Input("ok", "string"), Input("x", "number", default_value=True)])
    assert caught.value.status_code == 400
    assert caught.value.additional_data == {"field": "inputs[1].default_value"}
    assert sdk.list_pipelines() == before


def test_a_deployed_pipeline_is_deleted_only_by_force(platform):
    name = platform.create_pipeline("def main(): return {}")
    elastic, warm = platform.deploy(name), platform.deploy(name, "low_latency")
    with pytest.raises(SdkException) as caught:
        platform.sdk.delete_pipeline(name)
    assert caught.value.status_code in (400, 409)
    assert elastic["name"] in caught.value.message
    assert platform.call(elastic).status_code == 200
    gone = platform.sdk.delete_pipeline(name, force_deployments_deletion=True)
    assert gone["pipeline"] == {"name": name}
    assert sorted(one["name"] for one in gone["deployments"]) == sorted([elastic["name"], warm["name"]])
    assert {one["execution_rule"] for one in gone["deployments"]} == {"endpoint"}
    for ask, what in ((platform.sdk.get_pipeline, name), (platform.sdk.get_deployment, warm["name"])):
        with pytest.raises(SdkException) as caught:
            ask(what)
        assert caught.value.status_code == 404
    assert platform.call(warm).status_code in (401, 404)


def test_the_name_of_a_deleted_pipeline_is_free_again(sdk, folder):
    name = _create(sdk, folder)["parameters"]["pipeline_name"]
    assert sdk.delete_pipeline(name) == {"pipeline": {"name": name}, "deployments": []}
    again = sdk.create_pipeline(name, "src/main.py", "entry", container_config={"local_folder": str(folder)})
    assert again["creation_info"]["last_execution_id"] is None


def test_the_code_of_a_pipeline_can_be_downloaded(sdk, folder, tmp_path_factory):
    name = _create(sdk, folder)["parameters"]["pipeline_name"]
    target = tmp_path_factory.mktemp("downloads")
    sdk.download_pipeline_local_folder(name, str(target))
    (archive,) = target.iterdir()
    assert archive.name == f"{name}.tgz"
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
        content = tar.extractfile("src/main.py")
        assert content is not None
        assert content.read() == (folder / "src" / "main.py").read_bytes()
