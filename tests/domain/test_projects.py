"""What a pipeline falls back on, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from tests.git_hosts import make_key

from pipeyard.domain.container_configs import read_container_config
from pipeyard.domain.pipelines import ContainerConfig
from pipeyard.domain.projects import BUILT_IN, Project, change_project, choose_repository
from pipeyard.domain.repositories import Repository
from pipeyard.errors import InvalidInputError

URL, OTHER = "git@host:code", "git@host:other"


def choose(given: dict[str, Any] | None, project: Project) -> Repository | None:
    return choose_repository(given, read_container_config(given, project.config), project)


def test_without_settings_a_pipeline_gets_the_whole_folder_and_no_requirements() -> None:
    assert Project().config == ContainerConfig(included_folders=("/",))


def test_a_change_keeps_what_it_does_not_name() -> None:
    project = change_project(Project(deploy_key="k"), {"repository_url": URL, "included_folders": ["src"]})
    changed = change_project(project, {"repository_branch": "main"})
    assert changed.config == ContainerConfig(repository_url=URL, repository_branch="main", included_folders=("src",))
    assert changed.deploy_key == "k"


def test_null_is_the_built_in_default_again() -> None:
    fields = {"language": "python:3.9-slim", "included_folders": [], "repository_url": URL, "repository_branch": "x"}
    project = change_project(Project(deploy_key="k"), fields)
    assert project.config.included_folders == ()
    again = change_project(project, dict.fromkeys([*fields, "repository_deploy_key"]))
    assert again == Project(BUILT_IN, None)


def test_the_pipeline_comes_before_the_project_key_by_key() -> None:
    project = Project(ContainerConfig(repository_url=URL, repository_branch="main"), "project's key")
    assert choose(None, project) == Repository(URL, "main", "project's key")
    assert choose({"repository_url": OTHER}, project) == Repository(OTHER, "main", "project's key")
    assert choose({"repository_branch": None, "repository_deploy_key": None}, project) == Repository(URL)
    assert choose({"repository_url": None}, project) is None


def test_a_key_of_the_pipeline_is_used_and_checked(tmp_path: Any) -> None:
    project, key = Project(ContainerConfig(repository_url=URL), "project's key"), make_key(tmp_path / "k", "ed25519")
    assert choose({"repository_deploy_key": key}, project) == Repository(URL, None, key)
    with pytest.raises(InvalidInputError, match=r"container_config\.repository_deploy_key"):
        choose({"repository_deploy_key": "rubbish"}, project)


def test_a_project_without_repository_is_for_pipelines_that_bring_their_code() -> None:
    project = Project(ContainerConfig(repository_url=URL, repository_branch="main", requirements_path="r.txt"))
    assert project.without_repository == ContainerConfig(requirements_path="r.txt")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "body"),
        ({"languages": "x"}, "languages"),
        ({"dockerfile_path": "Dockerfile"}, "dockerfile_path"),
        ({"language": "ruby"}, "language"),
        ({"repository_url": "file:///x"}, "repository_url"),
        ({"repository_deploy_key": "x"}, "repository_deploy_key"),
        ({"included_folders": ["a", "../b"]}, "included_folders[1]"),
        ({"system_dependencies": ["git=1"]}, "system_dependencies[0]"),
    ],
)
def test_what_a_pipeline_could_not_say_a_project_cannot_either(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        change_project(Project(), fields)
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")
