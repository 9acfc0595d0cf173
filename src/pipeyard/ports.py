"""The map of the house: what the engine and the services need of the outside world. The store has a sheet of its own.

Each port has one suite of tests that runs over every implementation: tests/contracts/.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import ExecutionStatus, Failure, Outcome, PendingExecution
from pipeyard.domain.loads import Load
from pipeyard.domain.log_lines import LogBatch, LogLine, LogRange, Subject
from pipeyard.domain.objects import Access, Part, SignedRequest, StoredObject
from pipeyard.domain.pipelines import Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.pods import IsolationLevel, PodRef, PodSpec, PodState
from pipeyard.domain.repositories import FetchedCode, Repository
from pipeyard.domain.samples import Capacity, MachineReading, PodUsage
from pipeyard.store_ports import Store


class LogStore(Protocol):
    """Log lines of builds, pods and executions."""

    def append(self, batch: LogBatch) -> Awaitable[None]:
        """Store durably, in the order of the calls. A batch with a pod event that was stored before changes nothing.

        Raises StoreError when the event that it comes `after` is not stored.
        """
        ...

    async def read(self, subject: Subject, subject_id: str, span: LogRange) -> Sequence[LogLine]: ...
    async def read_after(
        self, subject: Subject, subject_id: str, number: int, limit: int
    ) -> Sequence[tuple[int, LogLine]]:
        """In the order of arrival, each with its number: those behind `number` (0: from the first)."""
        ...

    async def read_last(
        self, subject: Subject, subject_id: str, limit: int, pod_id: str | None = None
    ) -> Sequence[LogLine]:
        """The last ones, ascending; those of one pod among the last thousand, if it is named."""
        ...

    async def delete(self, subject: Subject, subject_ids: Iterable[str]) -> None: ...
    async def trim(
        self, after: int, limit: int, is_kept: Callable[[Subject, str, datetime], bool]
    ) -> tuple[int, datetime] | None:
        """Look at the first lines behind a number, in the order of arrival, and delete those that are not kept.

        The number and the instant of the last one that was looked at; None when there was none.
        """
        ...

    async def used_bytes(self) -> int: ...  # as that of the store
    async def check(self) -> None: ...  # as that of the store
    async def close(self) -> None: ...


@dataclass(frozen=True)
class BuildRequest:
    """What an image is built from. `variables`: for ${NAME} in requirements; their values never reach the log."""

    declaration: PipelineDeclaration
    code: Path
    variables: Mapping[str, str]


class ImageBuilder(Protocol):
    """Turns a pipeline's needs into an image. Equal needs share one image."""

    async def languages(self) -> Sequence[str]:
        """What `container_config.language` may be here, e.g. "python:3.11-slim"."""
        ...

    async def build(self, request: BuildRequest, log: Callable[[str], None]) -> str:
        """The image's name. `log` gets each line as it comes. Raises BuildError with the reason for the author."""
        ...

    def path(self, image: str) -> Path:
        """Where the image is, for `PodSpec.image`."""
        ...

    async def remove_unused(self, used: set[str]) -> None: ...


class Repositories(Protocol):
    """Git repositories elsewhere."""

    async def fetch(self, repository: Repository, declaration: PipelineDeclaration, folder: Path) -> FetchedCode:
        """What the declaration selects at the tip of the branch, into an empty folder. Raises InvalidInputError."""
        ...


class DataStore(Protocol):
    """Objects by path: files of executions, and the users' own. One appears whole and durably, or not at all."""

    async def take(self, path: str, file: Path) -> int:
        """Store a local file as an object; the file is gone then. Its size in bytes."""
        ...

    async def copy(self, path: str, target: str) -> bool: ...
    async def find(self, path: str) -> StoredObject | None: ...
    async def list(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """The first objects below a folder ("a/", or "") whose path is beyond `after`, in the order of the paths."""
        ...

    def read(self, path: str, start: int = 0, stop: int | None = None, etag: str = "") -> AsyncIterator[bytes]:
        """Bytes `start` to `stop`, excluded, in chunks. Raises NotFoundError, also when its ETag is another one."""
        ...

    async def delete(self, path: str) -> bool: ...
    async def delete_folder(self, prefix: str) -> None: ...
    async def start_upload(self, path: str) -> str:
        """An upload in parts; its id. The methods on one raise NotFoundError when it is over, or never was."""
        ...

    async def take_part(self, path: str, upload_id: str, number: int, file: Path) -> str: ...
    async def list_parts(self, path: str, upload_id: str) -> Sequence[Part]: ...
    async def finish_upload(self, path: str, upload_id: str, parts: Sequence[Part]) -> None: ...
    async def sweep_uploads(self, before: datetime) -> None: ...
    async def sign(self, access: Access, ttl_s: int) -> SignedRequest | None:
        """A URL of the store itself. None: it has none, our own server must receive and send the bytes."""
        ...


class Runtime(Protocol):
    """Starts, inspects, lists and stops pods."""

    @property
    def isolation(self) -> IsolationLevel:
        """The level that new pods get, probed when the runtime was opened."""
        ...

    async def start(self, spec: PodSpec) -> PodRef:
        """Start a pod. Idempotent on `spec.pod_id`: a pod that lives is returned as it is. Raises PodError."""
        ...

    async def warm(self, spec: PodSpec) -> str | None:
        """Prepare for elastic pods like this. Why they start slowly, for people; None: they start fast."""
        ...

    async def connect(self, ref: PodRef) -> socket.socket:
        """A new stream to the pod's supervisor, for `pod.protocol`. Waits while it is starting. Raises PodError."""
        ...

    async def inspect(self, ref: PodRef) -> PodState:
        """Where the pod is in its life. Works on refs of an earlier server process."""
        ...

    async def exited(self, ref: PodRef) -> None:
        """Return once no process of the pod is left. An event, not a poll, wherever the machine allows it."""
        ...

    async def usage(self, refs: Sequence[PodRef]) -> Mapping[PodRef, PodUsage]: ...
    async def list(self) -> Sequence[PodRef]:
        """Every pod of this installation that still has a process or a folder."""
        ...

    async def stop(self, ref: PodRef, grace_s: float) -> None:
        """End the pod, politely for `grace_s`, then not, and remove what it leaves. Idempotent."""
        ...

    async def close(self) -> None:
        """Let go of the pods; they live on."""
        ...


class Gauge(Protocol):
    """Measures this machine. May wait for a disk: call it in a thread."""

    def read(self) -> MachineReading: ...
    def capacity(self) -> Capacity: ...


class Meters(Protocol):
    """Counts and times what happens. Cheap, from any thread, and never with an id: what it keeps stays small."""

    def request_ended(self, method: str, route: str, status: int, took_s: float) -> None: ...
    def execution_accepted(self, trigger: str) -> None: ...
    def execution_ended(self, status: ExecutionStatus, failure: Failure | None) -> None: ...
    def tick_dispatched(self, late_s: float) -> None: ...
    def tick_started(self, late_s: float) -> None: ...
    def scheduler_looked(self, at: datetime) -> None: ...
    def build_ended(self, status: PipelineStatus, took_s: float) -> None: ...
    def committed(self, database: str, writes: int, took_s: float) -> None: ...
    def render(self, load: Load) -> tuple[bytes, str]:
        """All of it, with what the server has to do now; and its media type."""
        ...


@dataclass(frozen=True)
class Adapters:
    """What server.py has opened for this installation."""

    store: Store
    logs: LogStore
    files: DataStore
    images: ImageBuilder
    runtime: Runtime
    repositories: Repositories
    gauge: Gauge
    meters: Meters
    keep_code: Callable[[Path, Path, Path, PipelineDeclaration], None]  # upload, kept archive, unpacked code
    gpu_ids: tuple[str, ...]


class Engine(Protocol):
    """What the services ask of the engine. Each call comes after the commit of what it is about."""

    def admit(self, deployment_id: str | None) -> None:
        """Keep a place in the queue of a deployment (None: the runs).

        Raises QueueFullError, ConflictError (not up), DiskError (the disk).
        """
        ...

    def check_room(self, deployment_id: str | None) -> None:
        """As `admit`, and keep nothing: for before a body is read."""
        ...

    def withdraw(self, deployment_id: str | None) -> None:
        """Give back a place that `admit` kept."""
        ...

    def dispatch(self, execution: PendingExecution) -> None: ...
    def can_stop(self, execution_id: str, deployment_id: str | None) -> bool:
        """False: it runs in a thread, which goes on until its pod is replaced."""
        ...

    def cancel(self, execution_id: str, deployment_id: str | None, outcome: Outcome) -> None:
        """It was open, and has this end now: take it out of the line, or end it where it runs."""
        ...

    def is_in_pod(self, execution_id: str, deployment_id: str | None) -> bool: ...  # until all it printed is stored
    def build(self, pipeline: Pipeline) -> None: ...
    def start_deployment(self, deployment: Deployment) -> None: ...
    def load(self) -> Load: ...
    def pending_reason(self, execution_id: str, deployment_id: str | None) -> str: ...
    def lack(self, deployment_id: str) -> str | None: ...  # what its pod waits for of the machine, in words
    def list_pods(self, deployment_id: str) -> Sequence[tuple[str, str]]:
        """Id and status ("starting" | "up" | "stopping") of the pods that a low latency deployment has now."""
        ...

    async def stop_deployment(self, deployment_id: str, *, drain: bool) -> None:
        """End its pods: after its open executions (`drain`), or at once."""
        ...

    async def stop_runs(self, pipeline_id: str) -> None:
        """End the pods of a pipeline's runs at once."""
        ...
