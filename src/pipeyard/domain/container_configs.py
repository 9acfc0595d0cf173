"""Reading `container_config`: what a pipeline's function needs to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeyard.domain.names import check_text
from pipeyard.domain.paths import check_path
from pipeyard.domain.pipelines import ContainerConfig
from pipeyard.errors import InvalidInputError

KEYS = (
    "language",
    "repository_url",
    "repository_branch",
    "repository_deploy_key",
    "requirements_path",
    "included_folders",
    "system_dependencies",
    "dockerfile_path",
)
LANGUAGE_RULE = "python:3.X-slim, for example python:3.11-slim"
LIST_LIMIT = 200
TEXT_LENGTH_LIMIT = 2_000

_LANGUAGE = re.compile(r"python:3\.(0|[1-9][0-9]?)-slim")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,99}")


def read_container_config(given: object, project: ContainerConfig) -> ContainerConfig:
    """The config: an absent key is the project's, one that is None is explicitly nothing.

    `repository_deploy_key` is known but never kept: it is a secret. Raises InvalidInputError naming the key.
    """
    if given is None:
        return project
    if not isinstance(given, Mapping):
        raise InvalidInputError("container_config", f"must be an object, got {type(given).__name__}", ", ".join(KEYS))
    for key in given:
        if key not in KEYS:
            raise InvalidInputError(f"container_config.{str(key)[:200]}", "is not a known field", ", ".join(KEYS))
    if given.get("dockerfile_path") is not None:
        raise InvalidInputError(
            "container_config.dockerfile_path",
            "this installation runs pods as processes of this machine and builds no container images",
            "language, requirements_path and system_dependencies; a Dockerfile needs the Kubernetes runtime",
        )
    return ContainerConfig(
        language=read_language(given["language"]) if "language" in given else project.language,
        repository_url=_text(given, "repository_url", project.repository_url),
        repository_branch=_text(given, "repository_branch", project.repository_branch),
        requirements_path=_requirements_path(given, project),
        included_folders=_included_folders(given, project),
        system_dependencies=_system_dependencies(given, project),
        dockerfile_path=None,
    )


def read_language(value: object) -> str:
    """The language, if a machine without containers could have it. Raises InvalidInputError."""
    field = "container_config.language"
    if value is None or value == "":
        raise InvalidInputError(field, "is empty", LANGUAGE_RULE)
    text = check_text(field, value)
    if text.startswith("python-cuda:"):
        raise InvalidInputError(
            field,
            f'"{text[:60]}" is a container image, and this installation runs pods as processes of this machine',
            f"{LANGUAGE_RULE}; code there sees this machine's GPUs, take CUDA libraries from requirements_path",
        )
    if not _LANGUAGE.fullmatch(text):
        raise InvalidInputError(field, f'"{text[:60]}" is not a language', LANGUAGE_RULE)
    return text


def _text(given: Mapping[str, Any], key: str, fallback: str | None) -> str | None:
    value = given.get(key, fallback)
    if value is None:
        return None
    text = check_text(f"container_config.{key}", value)
    if not text or len(text) > TEXT_LENGTH_LIMIT or not text.isprintable():
        raise InvalidInputError(
            f"container_config.{key}", "is not usable", f"one line of 1 to {TEXT_LENGTH_LIMIT} characters"
        )
    return text


def _requirements_path(given: Mapping[str, Any], project: ContainerConfig) -> str | None:
    value = given.get("requirements_path", project.requirements_path)
    if value is None:
        return None
    field = "container_config.requirements_path"
    path = check_path(field, value)
    if not path:
        raise InvalidInputError(field, "names no file", "the path of a requirements file, or null for none")
    return path


def _included_folders(given: Mapping[str, Any], project: ContainerConfig) -> tuple[str, ...] | None:
    value = given.get("included_folders", project.included_folders)
    if value is None:
        return None
    folders = _texts("container_config.included_folders", value, 'a list of paths, for example ["/src"]')
    for index, folder in enumerate(folders):
        check_path(f"container_config.included_folders[{index}]", folder)
    return folders


def _system_dependencies(given: Mapping[str, Any], project: ContainerConfig) -> tuple[str, ...]:
    value = given.get("system_dependencies", project.system_dependencies)
    if value is None:
        return ()
    field = "container_config.system_dependencies"
    names = _texts(field, value, 'a list of APT packages, for example ["git", "libgomp1"]')
    for index, name in enumerate(names):
        if not _PACKAGE.fullmatch(name):
            raise InvalidInputError(
                f"{field}[{index}]",
                f'"{name[:120]}" is not the name of an APT package',
                "lower case letters, digits, + . -, the first a letter or a digit; no version",
            )
    return tuple(dict.fromkeys(names))


def _texts(field: str, value: object, allowed: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidInputError(field, f"must be a list, got {type(value).__name__}", allowed)
    if len(value) > LIST_LIMIT:
        raise InvalidInputError(field, f"has {len(value)} entries", f"at most {LIST_LIMIT}")
    return tuple(check_text(f"{field}[{index}]", item) for index, item in enumerate(value))
