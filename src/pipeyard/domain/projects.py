"""Project settings: what the `container_config` of a new pipeline falls back on, one set per environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeyard.domain.container_configs import KEYS, read_container_config
from pipeyard.domain.names import check_keys
from pipeyard.domain.pipelines import ContainerConfig
from pipeyard.domain.repositories import Repository, check_deploy_key
from pipeyard.errors import InvalidInputError

BUILT_IN = ContainerConfig(included_folders=("/",))
DEPLOY_KEY = "repository_deploy_key"
FIELDS = tuple(key for key in KEYS if key != "dockerfile_path")


@dataclass(frozen=True)
class Project:
    """The settings of one environment."""

    config: ContainerConfig = BUILT_IN
    deploy_key: str | None = field(default=None, repr=False)

    @property
    def without_repository(self) -> ContainerConfig:
        """What a pipeline falls back on that brings its code along."""
        return replace(self.config, repository_url=None, repository_branch=None)


def change_project(project: Project, fields: Mapping[str, Any]) -> Project:
    """The settings with these changed; null is the built-in default again. Raises InvalidInputError."""
    check_keys("", fields, FIELDS)
    if not fields:
        raise InvalidInputError("body", "names no setting", ", ".join(FIELDS))
    nulls = {key for key, value in fields.items() if value is None}
    given = {key: value for key, value in fields.items() if value is not None}
    config = replace(project.config, **{key: getattr(BUILT_IN, key) for key in nulls - {DEPLOY_KEY}})
    key = None if DEPLOY_KEY in nulls else project.deploy_key
    if DEPLOY_KEY in given:
        key = check_deploy_key(DEPLOY_KEY, given[DEPLOY_KEY])
    return Project(read_container_config(given, config, place=""), key)


def choose_repository(given: object, config: ContainerConfig, project: Project) -> Repository | None:
    """Where the code of a pipeline is, whose `container_config` was `given` and read as `config`; None: nowhere.

    Raises InvalidInputError for a wrong deploy key.
    """
    if config.repository_url is None:
        return None
    key = project.deploy_key
    if isinstance(given, Mapping) and DEPLOY_KEY in given:
        value = given[DEPLOY_KEY]
        key = None if value is None else check_deploy_key(f"container_config.{DEPLOY_KEY}", value)
    return Repository(config.repository_url, config.repository_branch, key)
