"""Pipelines: created from a folder, from git, from a template; looked at, downloaded, deleted."""

import io
import tarfile

import pytest

from tests.compat.clients.proxies import ClientError
from tests.compat.clients.values import Input, Member, Output
from tests.compat.scenarios.marks import new_alone, old_alone, proves
from tests.compat.scenarios.usage import (
    ENDPOINT,
    INSTANT,
    code,
    create,
    fresh,
    last_execution_of,
    parameters,
    refused,
)

DEFAULTS = {
    "s": ("string", "é & = ü %41 +"),
    "n": ("number", 1.5),
    "b": ("boolean", False),
    "j": ("json", {"a": 1, "c": [1, "x", True]}),
    "a": ("array", [1, "x"]),
}
SOURCE = "def main(**inputs): return {'got': repr(sorted(inputs.items()))}\n"


@proves("create_pipeline", "get_pipeline", "run_pipeline")
def test_a_pipeline_is_ready_when_create_pipeline_returns_and_tells_what_was_declared(client, tmp_path):
    name = fresh("p")
    inputs = [Input(key, kind, default_value=value) for key, (kind, value) in DEFAULTS.items()]
    inputs += [Input("f", "file", description="désc"), Input("r", Member("INPUT_OUTPUT_TYPES", "STRING"), None, True)]
    config = code(tmp_path, SOURCE, {"other.txt": "not asked for"}) | {
        "included_folders": ["main.py"],
        "requirements_path": Member("CREATION_PARAMETER_VALUE", "NULL"),
        "dockerfile_path": Member("CREATION_PARAMETER_VALUE", "FALLBACK_PROJECT"),
    }
    created = client.create_pipeline(
        name,
        "main.py",
        "main",
        description="two\nlines 🐋",
        container_config=config,
        inputs=inputs,
        outputs=[Output("got", "string", description="what came")],
    )
    declared = parameters(created)
    assert declared["pipeline_name"] == name
    assert {one["name"]: one.get("default_value") for one in declared["inputs"]} == {
        key: value for key, (_, value) in DEFAULTS.items()
    } | {"f": None, "r": None}
    assert [one["data_type"] for one in declared["inputs"]] == [
        *(kind for kind, _ in DEFAULTS.values()),
        "file",
        "string",
    ]
    assert declared["inputs"][5]["description"] == "désc"
    assert [one["is_required"] for one in declared["inputs"]] == [False] * 6 + [True]
    assert declared["outputs"] == [{"name": "got", "data_type": "string", "description": "what came"}]
    assert declared["container_config"]["included_folders"] == ["main.py"]
    assert declared["container_config"]["requirements_path"] is None
    assert created["creation_info"]["status"] == "ready"
    assert created["creation_info"]["origin"] == "local"
    found = client.get_pipeline(name)
    assert parameters(found) == declared
    assert last_execution_of(found) is None
    ran = client.run_pipeline(name, {"r": "given"})
    expected = {key: value for key, (_, value) in DEFAULTS.items()} | {"f": None, "r": "given"}
    assert ran["outputs"]["got"] == repr(sorted(expected.items()))
    assert last_execution_of(client.get_pipeline(name)) == ran["execution_id"]


@proves("get_pipeline")
def test_a_pipeline_has_the_shape_that_the_client_documents(client, echo):
    pipeline = client.get_pipeline(echo)
    if client.is_old:
        documented = {"pipeline_name", "created_at", "created_by", "last_execution_id", "inputs", "outputs"}
        assert set(pipeline) == documented | {"container_config", "creation_info"}
        assert set(pipeline["creation_info"]) == {"commit_id", "status", "origin"}
        created_at = pipeline["created_at"]
    else:
        assert set(pipeline) == {"parameters", "creation_info"}
        created_at = pipeline["creation_info"]["created_at"]
    assert INSTANT.fullmatch(created_at)


@proves("get_pipeline")
def test_a_pipeline_that_does_not_exist_is_none_or_not_found(client):
    if client.is_old:
        assert client.get_pipeline("no-such-pipeline") is None
        return
    error = refused(client.get_pipeline, "no-such-pipeline")
    assert (error.status_code, error.name) == (404, "NotFound")
    assert "no-such-pipeline" in error.message


@new_alone
@proves("create_pipeline", "get_pipeline")
def test_a_pipeline_that_is_not_waited_for_gets_ready(client, tmp_path):
    name = fresh("p")
    config = code(tmp_path, SOURCE)
    client.create_pipeline(name, "main.py", "main", container_config=config, wait_for_completion=False)
    assert client.get_pipeline(name)["creation_info"]["status"] in ("creation_pending", "ready")
    ready = client.get_pipeline(name, wait_for_completion=True, timeout_s=120)
    assert ready["creation_info"]["status"] == "ready"


@proves("create_pipeline", "get_pipeline", "get_pipeline_logs", "delete_pipeline")
def test_a_pipeline_that_cannot_be_built_says_why(client, tmp_path):
    name = fresh("p")
    config = code(tmp_path, "def main(:")
    error = refused(client.create_pipeline, name, "main.py", "main", container_config=config)
    assert error.name == "CreationFailed"
    assert "get_pipeline_logs" in error.message
    if client.is_old:
        assert "main.py:1" in error.message
    assert client.get_pipeline(name)["creation_info"]["status"] == "creation_failed"
    log = "\n".join(line["message"] for line in client.get_pipeline_logs(name))
    assert "main.py:1" in log
    assert client.delete_pipeline(name) == {"pipeline": {"name": name}, "deployments": []}


@proves("create_pipeline", "list_pipelines")
def test_what_cannot_be_meant_is_refused_by_its_field_and_creates_nothing(client, tmp_path, echo):
    before = client.list_pipelines()
    config = code(tmp_path, SOURCE)
    wrong = [Input("ok", "string"), Input("x", "number", default_value=True)]
    error = refused(client.create_pipeline, fresh("p"), "main.py", "main", container_config=config, inputs=wrong)
    assert (error.status_code, error.name) == (400, "InvalidInput")
    assert error.additional_data == {"field": "inputs[1].default_value"}
    assert "inputs[1].default_value" in error.text
    taken = refused(client.create_pipeline, echo, "main.py", "main", container_config=config)
    assert (taken.status_code, taken.name) == (409, "Conflict")
    assert client.list_pipelines() == before


@proves("list_pipelines", "get_pipeline")
def test_pipelines_are_listed_with_date_and_status(client, echo):
    (row,) = [row for row in client.list_pipelines() if row["pipeline_name"] == echo]
    assert set(row) == {"pipeline_name", "created_at", "status"}
    assert row["status"] == "ready"
    pipeline = client.get_pipeline(echo)
    assert row["created_at"] == pipeline.get("created_at", pipeline["creation_info"].get("created_at"))


@proves("get_pipeline_logs")
def test_the_log_of_a_build_is_in_order_and_can_be_cut(client, echo):
    lines = client.get_pipeline_logs(echo)
    assert lines
    assert all(INSTANT.fullmatch(line["timestamp"]) and isinstance(line["message"], str) for line in lines)
    assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)
    assert client.get_pipeline_logs(echo, limit=1) == lines[:1]


@proves("download_pipeline_local_folder")
def test_the_code_comes_back_as_it_was_sent(client, echo, tmp_path):
    client.download_pipeline_local_folder(echo, str(tmp_path))
    with tarfile.open(fileobj=io.BytesIO((tmp_path / f"{echo}.tgz").read_bytes())) as archive:
        source = archive.extractfile("main.py")
        assert source is not None
        assert source.read().decode().startswith("def main(")
    refused(client.download_pipeline_local_folder, "no-such-pipeline", str(tmp_path))


@proves("delete_pipeline", "create_deployment")
def test_a_deployed_pipeline_is_deleted_only_by_force(client, tmp_path):
    pipeline, deployment = create(client, tmp_path, SOURCE), fresh("d")
    client.create_deployment(pipeline, deployment, ENDPOINT)
    error = refused(client.delete_pipeline, pipeline)
    assert (error.status_code, error.name) == (409, "Conflict")
    assert deployment in error.message
    assert client.delete_pipeline(pipeline, force_deployments_deletion=True) == {
        "pipeline": {"name": pipeline},
        "deployments": [{"name": deployment, "execution_rule": "endpoint"}],
    }
    assert refused(client.delete_pipeline, pipeline).status_code == 404


@proves("create_pipeline", "get_pipeline", "run_pipeline")
def test_a_pipeline_comes_from_a_git_repository(client, platform, request):
    host = request.getfixturevalue("git_host")
    (platform.data_dir / "known_hosts").write_text(host.known_hosts())
    repository = host.repository(fresh("repository"), {"src/main.py": "def main(): return {'o': 'from git'}\n"})
    name = fresh("p")
    created = client.create_pipeline(
        name,
        "src/main.py",
        "main",
        container_config={
            "repository_url": host.url(repository.folder.name),
            "repository_branch": "main",
            "repository_deploy_key": host.key,
            "included_folders": ["/src"],
        },
        outputs=[Output("o", "string")],
    )
    assert created["creation_info"]["origin"] == "git_repository"
    assert created["creation_info"]["commit_id"] == repository.head
    assert "repository_deploy_key" not in parameters(client.get_pipeline(name))["container_config"]
    assert client.run_pipeline(name)["outputs"] == {"o": "from git"}


@proves("list_pipeline_templates", "get_pipeline_template", "create_pipeline", "get_pipeline")
def test_a_pipeline_comes_from_a_template(client):
    listed = client.list_pipeline_templates()
    keys = {"name", "version", "enabled", "display_name", "description", "hosting_type", "model_family"}
    assert listed
    assert all(keys <= set(row) for row in listed)
    template = client.get_pipeline_template(listed[0]["name"])
    mappings = {"recommended_inputs_mapping", "recommended_outputs_mapping"}
    assert keys | {"inputs", "outputs"} | mappings <= set(template)
    name = fresh("p")
    client.create_pipeline(name, pipeline_template_name=template["name"], wait_for_completion=False)
    pipeline = client.get_pipeline(name)
    assert pipeline["creation_info"]["pipeline_template"]["name"] == template["name"]
    assert pipeline["parameters"]["inputs"] == template["inputs"]
    client.delete_pipeline(name)


@proves("get_pipeline_template", "create_pipeline")
def test_a_template_that_does_not_exist_is_not_found(client):
    assert refused(client.get_pipeline_template, "no-such-template").status_code == 404
    error = refused(client.create_pipeline, fresh("p"), pipeline_template_name="no-such-template")
    assert error.status_code == 404


@proves(
    "create_step",
    "get_step",
    "list_steps",
    "delete_step",
    "get_step_logs",
    "download_step_local_folder",
    cell="refused",
)
def test_steps_are_refused_with_what_to_do_instead(client, tmp_path):
    config = code(tmp_path, SOURCE)
    for call in (
        lambda: client.create_step("s", "main.py", "main", container_config=config),
        lambda: client.create_pipeline(fresh("p"), step_name="s"),
        lambda: client.create_pipeline(fresh("p"), "s"),
        lambda: client.get_step("s"),
        lambda: client.list_steps(),
        lambda: client.delete_step("s", force_dependents_deletion=True),
        lambda: client.get_step_logs("s", limit=1),
        lambda: client.download_step_local_folder("s", str(tmp_path)),
    ):
        error = refused(call)
        assert error.status_code == 400
        assert "steps are not supported" in error.message
        assert "create_pipeline" in error.message


@old_alone
@proves("create_pipeline")
def test_older_clients_wait_two_minutes_at_least(client, tmp_path):
    config = code(tmp_path, SOURCE)
    with pytest.raises(ClientError, match="120 seconds"):
        client.create_pipeline(fresh("p"), "main.py", "main", container_config=config, timeout_s=119)
