"""Pipelines: a user's function with declared inputs and outputs, and what it needs to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from pipeyard.domain.ram import parse_ram
from pipeyard.domain.values import DataType


class PipelineStatus(str, Enum):
    """CREATION_PENDING -> READY | CREATION_FAILED; the last two are final."""

    CREATION_PENDING = "creation_pending"
    READY = "ready"
    CREATION_FAILED = "creation_failed"


class Origin(str, Enum):
    """Where a pipeline's code came from."""

    LOCAL = "local"
    GIT_REPOSITORY = "git_repository"


@dataclass(frozen=True)
class Input:
    """A declared input. `default_value` None means no default."""

    name: str
    data_type: DataType
    description: str | None = None
    is_required: bool = False
    default_value: object = None


@dataclass(frozen=True)
class Output:
    """A declared output."""

    name: str
    data_type: DataType
    description: str | None = None


@dataclass(frozen=True)
class ContainerConfig:
    """What the function needs to run. None: not given, or explicitly nothing."""

    language: str = "python:3.11-slim"
    repository_url: str | None = None
    repository_branch: str | None = None
    requirements_path: str | None = None
    included_folders: tuple[str, ...] | None = None
    system_dependencies: tuple[str, ...] = ()
    dockerfile_path: str | None = None
    ram_request: str | None = None  # the memory of a pod that runs it

    @property
    def ram_request_bytes(self) -> int | None:
        """The memory request in bytes."""
        return None if self.ram_request is None else parse_ram("ram_request", self.ram_request)


@dataclass(frozen=True)
class PipelineDeclaration:
    """What a user asks for when creating a pipeline."""

    name: str
    function_path: str
    function_name: str
    description: str | None
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    container_config: ContainerConfig


@dataclass(frozen=True)
class TemplateReference:
    """The pipeline template that a pipeline was created from, as it was then. `hosting_type`: see `templates`."""

    name: str
    version: str
    display_name: str
    description: str
    hosting_type: str
    model_family: str


@dataclass(frozen=True)
class Pipeline:
    """A pipeline as it is stored. `image` names the built image once READY."""

    id: str
    environment_id: str
    declaration: PipelineDeclaration
    origin: Origin
    status: PipelineStatus
    created_at: datetime
    created_by: str
    commit_id: str | None = None
    image: str | None = None
    template: TemplateReference | None = None

    @property
    def name(self) -> str:
        """Unique in its environment."""
        return self.declaration.name
