"""Pipelines from git repositories through the public client, from a real git server over SSH."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from craft_ai_sdk import CREATION_PARAMETER_VALUE, Output, SdkException

from tests.git_hosts import GitHost, GitRepository
from tests.platforms import Platform

MAIN = """
import os

def entry():
    return {"said": "%s", "there": sorted(os.listdir("."))}
"""
OUTPUTS = [Output("said", "string"), Output("there", "array")]


@pytest.fixture
def host(platform: Platform, git_host: GitHost) -> Iterator[GitHost]:
    """A host that the platform knows."""
    known_hosts = platform.data_dir / "known_hosts"
    known_hosts.write_text(git_host.known_hosts())
    yield git_host
    known_hosts.unlink()


@pytest.fixture
def repository(host: GitHost) -> GitRepository:
    return host.repository(f"{uuid.uuid4().hex}.git", {"src/main.py": MAIN % "main", "notes.md": "", "data/x.txt": ""})


@pytest.fixture
def project(platform: Platform) -> Iterator[Project]:
    with platform.http() as http:
        project = Project(http)
        yield project
        project.change(**dict.fromkeys(("repository_url", "repository_branch", "repository_deploy_key")))
        project.change(**dict.fromkeys(("included_folders", "requirements_path", "language", "system_dependencies")))


class Project:
    """The project settings of the platform, which are as they were after the test."""

    def __init__(self, http) -> None:
        self._http = http

    def change(self, **settings: object) -> dict:
        answer = self._http.put("/api/v1/project-information", json=settings)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self) -> dict:
        return self._http.get("/api/v1/project-information").json()


def create(platform: Platform, function_path: str = "src/main.py", **config: object) -> dict:
    name = f"p-{uuid.uuid4().hex[:8]}"
    return platform.sdk.create_pipeline(name, function_path, "entry", container_config=config, outputs=OUTPUTS)


def access(host: GitHost, repository: GitRepository) -> dict:
    return {"repository_url": host.url(repository.folder.name), "repository_deploy_key": host.key}


def refuse(platform: Platform, **config: object) -> SdkException:
    before = files(platform.data_dir), platform.sdk.list_pipelines()
    with pytest.raises(SdkException) as caught:
        create(platform, **config)
    assert (files(platform.data_dir), platform.sdk.list_pipelines()) == before
    return caught.value


def files(folder: Path) -> list[str]:
    return sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names if ".db" not in name)


@pytest.mark.parametrize("kind", ["rsa-pem", "ed25519"])
def test_the_default_branch_runs_at_its_newest_commit(platform, host, repository, kind):
    config = access(host, repository) | {"repository_deploy_key": host.keys[kind]}
    created = create(platform, **config)
    assert created["creation_info"]["origin"] == "git_repository"
    assert created["creation_info"]["commit_id"] == repository.head
    assert created["creation_info"]["status"] == "ready"
    assert created["parameters"]["container_config"] == {
        "language": "python:3.11-slim",
        "repository_url": config["repository_url"],
        "repository_branch": None,
        "requirements_path": None,
        "included_folders": ["/"],
        "system_dependencies": [],
        "dockerfile_path": None,
    }
    result = platform.sdk.run_pipeline(created["parameters"]["pipeline_name"])
    assert result["outputs"] == {"said": "main", "there": ["data", "notes.md", "src"]}


def test_a_branch_and_a_tag_run_as_they_were_when_the_pipeline_was_created(platform, host, repository):
    repository.git("tag", "v1")
    repository.git("switch", "--quiet", "--create", "topic")
    topic = repository.commit({"src/main.py": MAIN % "topic"})
    on_branch = create(platform, **access(host, repository), repository_branch="topic")
    on_tag = create(platform, **access(host, repository), repository_branch="v1")
    repository.commit({"src/main.py": MAIN % "later"})
    said = [
        platform.sdk.run_pipeline(created["parameters"]["pipeline_name"])["outputs"]["said"]
        for created in (on_branch, on_tag)
    ]
    assert said == ["topic", "main"]
    assert on_branch["creation_info"]["commit_id"] == topic
    assert on_branch["parameters"]["container_config"]["repository_branch"] == "topic"


def test_the_log_of_the_build_begins_with_the_commit(platform, host, repository):
    created = create(platform, **access(host, repository))
    lines = [line["message"] for line in platform.sdk.get_pipeline_logs(created["parameters"]["pipeline_name"])]
    url = host.url(repository.folder.name)
    assert lines[0] == f"Fetched {url}, default branch main, at commit {repository.head}."
    assert lines[-1] == "The pipeline is ready."


def test_an_execution_says_which_code_it_ran(platform, host, repository):
    created = create(platform, **access(host, repository), repository_branch="main")
    execution_id = platform.sdk.run_pipeline(created["parameters"]["pipeline_name"])["execution_id"]
    (step,) = platform.sdk.get_pipeline_execution(execution_id)["steps"]
    assert step["origin"] == "git_repository"
    assert step["repository_url"] == host.url(repository.folder.name)
    assert step["repository_branch"] == "main"
    assert step["commit_id"] == repository.head


def test_included_folders_select_what_the_function_finds(platform, host, repository):
    created = create(platform, **access(host, repository), included_folders=["/data"])
    result = platform.sdk.run_pipeline(created["parameters"]["pipeline_name"])
    assert result["outputs"]["there"] == ["data", "src"]


def test_the_code_cannot_be_downloaded_and_the_answer_says_where_it_is(platform, host, repository, tmp_path):
    created = create(platform, **access(host, repository))
    with pytest.raises(SdkException, match=f"git repository.*{repository.head}") as caught:
        platform.sdk.download_pipeline_local_folder(created["parameters"]["pipeline_name"], str(tmp_path))
    assert caught.value.status_code == 409


def test_no_answer_no_log_and_no_file_has_the_key(platform, host, repository, project):
    project.change(**access(host, repository))
    created = create(platform)
    name = created["parameters"]["pipeline_name"]
    refused = refuse(platform, repository_branch="nowhere")
    said = repr((created, platform.sdk.get_pipeline_logs(name), refused, project.get())) + platform.log()
    secret = host.key.splitlines()[1]
    assert secret not in said
    for path in files(platform.data_dir):
        assert secret.encode() not in Path(path).read_bytes(), path
    for path in platform.data_dir.glob("*.db*"):
        assert secret.encode() not in path.read_bytes(), path


def test_a_creation_that_is_refused_leaves_nothing_and_its_name_free(platform, host, repository):
    refused = refuse(platform, **access(host, repository), repository_branch="nowhere")
    assert refused.status_code == 400
    assert refused.additional_data == {"field": "container_config.repository_branch"}
    refused = refuse(platform, **access(host, repository) | {"repository_deploy_key": host.wrong_key})
    assert refused.additional_data == {"field": "container_config.repository_deploy_key"}


def test_an_unknown_host_is_refused_with_its_fingerprint(platform, git_host, host, repository):
    (platform.data_dir / "known_hosts").write_text("")
    refused = refuse(platform, **access(host, repository))
    assert host.fingerprint() in refused.message
    assert f">> {platform.data_dir}/known_hosts" in refused.message


def test_a_host_whose_key_has_changed_is_refused(platform, git_host, host, repository):
    (platform.data_dir / "known_hosts").write_text(host.known_hosts("wrong"))
    assert "has changed" in refuse(platform, **access(host, repository)).message


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../keys/signing.key"])
def test_a_link_that_leads_out_of_the_repository_is_refused(platform, host, repository, target):
    (repository.folder / "out").symlink_to(target)
    repository.commit()
    refused = refuse(platform, **access(host, repository))
    assert refused.status_code == 400
    assert refused.message.startswith('container_config.repository_url: the link "out" leads out')


def test_a_repository_that_unpacks_to_more_than_is_allowed_is_refused(platform, host, repository):
    with (repository.folder / "zeros.bin").open("wb") as file:
        file.truncate(260_000_000)
    repository.commit()
    refused = refuse(platform, **access(host, repository))
    assert refused.status_code == 413
    assert refused.message.startswith("container_config.repository_url: unpacks to more than 250,000,000 bytes")


def test_a_link_inside_the_repository_is_kept(platform, host, repository):
    (repository.folder / "linked.py").symlink_to("src/main.py")
    repository.commit()
    assert create(platform, "linked.py", **access(host, repository))["creation_info"]["status"] == "ready"


def test_a_pipeline_falls_back_on_the_project(platform, host, repository, project):
    assert project.get()["has_repository_deploy_key"] is False
    changed = project.change(**access(host, repository), included_folders=["data"])
    assert changed["has_repository_deploy_key"] is True
    assert "repository_deploy_key" not in changed
    created = create(platform)
    assert created["creation_info"]["commit_id"] == repository.head
    assert created["parameters"]["container_config"]["included_folders"] == ["data"]
    only_function = create(platform, included_folders=CREATION_PARAMETER_VALUE.NULL)
    name = only_function["parameters"]["pipeline_name"]
    assert platform.sdk.run_pipeline(name)["outputs"]["there"] == ["src"]


def test_a_pipeline_can_refuse_what_the_project_offers(platform, host, repository, project):
    project.change(**access(host, repository), repository_branch="nowhere")
    assert "nowhere" in refuse(platform).message
    assert create(platform, repository_branch=CREATION_PARAMETER_VALUE.NULL)["creation_info"]["status"] == "ready"
    assert "asks for a key" in refuse(platform, repository_deploy_key=CREATION_PARAMETER_VALUE.NULL).message
    no_url = refuse(platform, repository_url=CREATION_PARAMETER_VALUE.NULL)
    assert no_url.additional_data == {"field": "container_config.repository_url"}


def test_a_local_folder_comes_before_the_repository_of_the_project(platform, host, repository, project, tmp_path):
    project.change(**access(host, repository), included_folders=["code"], requirements_path="code/reqs.txt")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("def entry(): return {'said': 'local', 'there': []}\n")
    (tmp_path / "code" / "reqs.txt").write_text("")
    (tmp_path / "other.txt").write_text("")
    created = create(platform, "code/main.py", local_folder=str(tmp_path))
    assert created["creation_info"]["origin"] == "local"
    assert created["creation_info"]["commit_id"] is None
    config = created["parameters"]["container_config"]
    assert config["repository_url"] is None
    assert config["included_folders"] == ["code"]
    assert config["requirements_path"] == "code/reqs.txt"
