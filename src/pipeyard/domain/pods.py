"""Pods: what to start, what was started, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from pipeyard.domain.claims import Claim
from pipeyard.domain.executions import Failure
from pipeyard.domain.modes import Mode


class IsolationLevel(str, Enum):
    """How well a pod is kept from the machine and from other pods, weakest first."""

    PROCESS = "process"  # its own process group, rlimits and private folders
    NAMESPACES = "namespaces"  # its own user, mount, pid and ipc namespaces, and a root of its own


@dataclass(frozen=True)
class PodSpec:
    """All that a runtime needs to start a pod."""

    pod_id: str
    environment_id: str
    mode: Mode
    image: Path  # the virtual environment
    code: Path  # the pipeline's unpacked code: each pod gets a copy of its own
    function_path: str
    function_name: str
    inputs: tuple[tuple[str, str], ...]  # (name, data type)
    outputs: tuple[tuple[str, str], ...]
    variables: dict[str, str]  # the environment of the process: the user's variables and the platform's
    parallel_executions_max: int = 1
    enable_parallel_executions: bool = False
    ram_request_bytes: int | None = None  # what all its processes may have together
    is_ram_reserved: bool = False  # and nobody else is given meanwhile
    gpu_request: int = 0
    gpus: tuple[str, ...] = ()  # the ids of those that are its own while it runs
    # What the pod is for: one of the two. Lets a restarted server find the pods of what it still has to run.
    deployment_id: str | None = None
    execution_id: str | None = None

    @property
    def claim(self) -> Claim:
        """What it needs for itself alone."""
        ram_bytes = (self.ram_request_bytes or 0) if self.is_ram_reserved else 0
        return Claim(ram_bytes, self.gpu_request, is_lasting=self.mode is Mode.LOW_LATENCY)


@dataclass(frozen=True)
class PodRef:
    """A pod for ever: a recycled pid never passes for it."""

    pod_id: str
    pid: int
    start_time_ticks: int  # since boot; field 22 of /proc/PID/stat
    boot_id: str
    deployment_id: str | None
    execution_id: str | None
    ram_bytes: int = 0  # what it has for itself alone
    gpus: tuple[str, ...] = ()

    @property
    def owner_id(self) -> str:
        """Of the deployment or execution that it is for."""
        return self.deployment_id or self.execution_id or self.pod_id

    @property
    def claim(self) -> Claim:
        """What it has for itself alone."""
        return Claim(self.ram_bytes, len(self.gpus), is_lasting=self.deployment_id is not None)


class PodPhase(str, Enum):
    """Where a pod is in its life, as far as its runtime can see."""

    STARTING = "starting"
    READY = "ready"  # its supervisor can be reached
    EXITED = "exited"
    GONE = "gone"  # the runtime knows nothing of it


@dataclass(frozen=True)
class PodState:
    """What `Runtime.inspect` saw. `started` names the executions that an exited pod had begun to run."""

    phase: PodPhase
    reason: str | None = None
    started: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class PodFailure:
    """Why a low latency pod ended without being told to. `pod_id`: None when it could not be started."""

    failure: Failure
    at: datetime
    pod_id: str | None = None
