"""Reading `container_config`: what a pipeline's function needs to run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeyard.domain.names import check_keys, check_text
from pipeyard.domain.paths import check_path
from pipeyard.domain.pipelines import ContainerConfig
from pipeyard.domain.ram import parse_ram
from pipeyard.domain.repositories import check_branch, check_url
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
    "ram_request",
)
LANGUAGE_RULE = "python:3.X-slim, for example python:3.11-slim"
LIST_LIMIT = 200
TEXT_LENGTH_LIMIT = 2_000

_LANGUAGE = re.compile(r"python:3\.(0|[1-9][0-9]?)-slim")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,99}")


def read_container_config(given: object, project: ContainerConfig, place: str = "container_config") -> ContainerConfig:
    """The config: an absent key is the project's, one that is None is explicitly nothing. `place`: for messages.

    `repository_deploy_key` is known but not part of it: it is a secret. Raises InvalidInputError naming the key.
    """
    if given is None:
        return project
    if not isinstance(given, Mapping):
        raise InvalidInputError(place, f"must be an object, got {type(given).__name__}", ", ".join(KEYS))
    check_keys(place, given, KEYS)
    reader = _Reader(given, project, place)
    if given.get("dockerfile_path") is not None:
        raise InvalidInputError(
            reader.field("dockerfile_path"),
            "this installation runs pods as processes of this machine and builds no container images",
            "language, requirements_path and system_dependencies; a Dockerfile needs the Kubernetes runtime",
        )
    return ContainerConfig(
        language=reader.language(),
        repository_url=reader.line("repository_url", check_url),
        repository_branch=reader.line("repository_branch", check_branch),
        requirements_path=reader.requirements_path(),
        included_folders=reader.included_folders(),
        system_dependencies=reader.system_dependencies(),
        dockerfile_path=None,
        ram_request=reader.ram_request(),
    )


@dataclass(frozen=True)
class _Reader:
    """Reads key by key. An absent one is the project's, which was checked when it was set."""

    given: Mapping[str, Any]
    project: ContainerConfig
    place: str

    def field(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def language(self) -> str:
        """The language, if a machine without containers could have it."""
        if "language" not in self.given:
            return self.project.language
        field, value = self.field("language"), self.given["language"]
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

    def line(self, key: str, check: Callable[[str, str], str]) -> str | None:
        value = self.given.get(key, getattr(self.project, key))
        if value is None:
            return None
        text = check_text(self.field(key), value)
        if not text or len(text) > TEXT_LENGTH_LIMIT or not text.isprintable():
            allowed = f"one line of 1 to {TEXT_LENGTH_LIMIT} characters"
            raise InvalidInputError(self.field(key), "is not usable", allowed)
        return check(self.field(key), text)

    def ram_request(self) -> str | None:
        value = self.given.get("ram_request", self.project.ram_request)
        if value is None:
            return None
        parse_ram(self.field("ram_request"), value)
        return str(value)

    def requirements_path(self) -> str | None:
        value = self.given.get("requirements_path", self.project.requirements_path)
        if value is None:
            return None
        field = self.field("requirements_path")
        path = check_path(field, value)
        if not path:
            raise InvalidInputError(field, "names no file", "the path of a requirements file, or null for none")
        return path

    def included_folders(self) -> tuple[str, ...] | None:
        value = self.given.get("included_folders", self.project.included_folders)
        if value is None:
            return None
        folders = _texts(self.field("included_folders"), value, 'a list of paths, for example ["/src"]')
        for index, folder in enumerate(folders):
            check_path(f"{self.field('included_folders')}[{index}]", folder)
        return folders

    def system_dependencies(self) -> tuple[str, ...]:
        value = self.given.get("system_dependencies", self.project.system_dependencies)
        if value is None:
            return ()
        field = self.field("system_dependencies")
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
