"""Pods of a real runtime, driven frame by frame by a server that the tests play."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeyard.domain.deployments import Mode
from pipeyard.domain.pods import IsolationLevel, PodRef, PodSpec
from pipeyard.pod import protocol
from pipeyard.pod.protocol import Frame
from pipeyard.runtimes.process import PodOptions, ProcessRuntime, ZygoteLimits

WAIT_MAX_S = 20.0
_numbers = itertools.count(1)


@dataclass
class Finished:
    """The end of one execution."""

    outcome: str
    values: dict[str, Any]
    failure: dict[str, Any] | None
    files: dict[str, bytes]

    @property
    def kind(self) -> str:
        assert self.failure is not None, f"it {self.outcome}"
        return self.failure["kind"]

    @property
    def message(self) -> str:
        assert self.failure is not None, f"it {self.outcome}"
        return self.failure["message"]


class Connection:
    """One connection of a server to a pod. Keeps all events, acknowledges them unless told not to."""

    def __init__(self, stream: socket.socket, acked: int = 0, acknowledging: bool = True) -> None:
        stream.settimeout(WAIT_MAX_S)
        self._stream = stream
        self._decoder = protocol.Decoder()
        self.acknowledging = acknowledging
        self.welcome: Frame | None = None
        self.events: list[Frame] = []
        self.closed = False
        self.send("hello", protocol=protocol.PROTOCOL_VERSION, acked=acked)

    def send(self, kind: str, body: bytes = b"", **fields: Any) -> None:
        try:
            self._stream.sendall(protocol.encode({"type": kind, **fields}, body))
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def execute(
        self,
        execution_id: str = "x",
        inputs: dict[str, Any] | None = None,
        files: dict[str, bytes] | None = None,
        timeout_s: float | None = None,
        start_timeout_s: float | None = None,
    ) -> None:
        for name, content in (files or {}).items():
            chunks = range(0, max(1, len(content)), protocol.FILE_CHUNK_BYTES)
            for offset in chunks:
                chunk = content[offset : offset + protocol.FILE_CHUNK_BYTES]
                last = offset == chunks[-1]
                self.send("file", chunk, execution_id=execution_id, name=name, offset=offset, last=last)
        body = json.dumps(inputs or {}).encode()
        timeouts = {"timeout_s": timeout_s, "start_timeout_s": start_timeout_s}
        self.send("execute", body, execution_id=execution_id, files=list(files or {}), **timeouts)

    def run(self, execution_id: str = "x", **arguments: Any) -> Finished:
        """Execute and wait for the end."""
        self.execute(execution_id, **arguments)
        return self.finished(execution_id)

    def finished(self, execution_id: str = "x") -> Finished:
        event = self.wait_for("finished", execution_id)
        files: dict[str, bytes] = dict.fromkeys(event.header["files"], b"")
        for other in self.events:
            if other.type == "file" and other.header["execution_id"] == execution_id:
                name = other.header["name"]
                assert len(files[name]) == other.header["offset"]
                files[name] += other.body
        return Finished(event.header["outcome"], json.loads(event.body), event.header.get("failure"), files)

    def wait_for(self, kind: str, execution_id: str | None = None) -> Frame:
        """The event of that type (of that execution), now or as soon as it comes."""
        return self.wait_until(
            lambda events: next(
                (e for e in events if e.type == kind and execution_id in (None, e.header.get("execution_id"))), None
            ),
            f"{kind} {execution_id or ''}",
        )

    def wait_until(self, find: Callable[[list[Frame]], Any], what: str) -> Any:
        give_up_at_s = time.monotonic() + WAIT_MAX_S
        while True:
            found = find(self.events)
            if found:
                return found
            seen = [(e.header, e.body[:300]) for e in self.events]
            assert not self.closed, f"the pod closed the connection; wanted {what}; events: {seen}"
            assert time.monotonic() < give_up_at_s, f"no {what} came; events: {seen}"
            self.receive()

    def receive(self) -> None:
        try:
            data = self._stream.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.closed = not data
        for frame in self._decoder.feed(data):
            if frame.type == "welcome":
                self.welcome = frame
                continue
            self.events.append(frame)
            if self.acknowledging:
                self.send("ack", n=frame.header["n"])

    def wait_for_end(self) -> None:
        """Return when the pod has closed the connection."""
        while not self.closed:
            self.receive()

    def log(self, execution_id: str | None = "x", stream: str = "stdout") -> str:
        """What has come of that log so far."""
        return b"".join(
            event.body
            for event in self.events
            if event.type == "log" and event.header["execution_id"] == execution_id and event.header["stream"] == stream
        ).decode()

    def count(self, kind: str) -> int:
        return sum(event.type == kind for event in self.events)

    def close(self) -> None:
        self._stream.close()
        self.closed = True


@dataclass
class Pods:
    """Starts pods and ends them all."""

    runner: asyncio.Runner
    runtime: ProcessRuntime
    image: Path
    folder: Path
    connections: list[Connection] = field(default_factory=list)
    warm: bool = False  # elastic pods start from a zygote

    def spec(self, code: str | dict[str, str], **fields: Any) -> PodSpec:
        number = next(_numbers)
        folder = self.folder / f"code-{number}"
        files = {"main.py": code} if isinstance(code, str) else code
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))
        values: dict[str, Any] = {
            "pod_id": f"pod-{os.getpid()}-{number}",
            "environment_id": "e",
            "mode": Mode.LOW_LATENCY,
            "image": self.image,
            "code": folder,
            "function_path": "main.py",
            "function_name": "f",
            "inputs": (),
            "outputs": (),
            "variables": {},
        }
        return PodSpec(**{**values, **fields})

    def start(self, code: str | dict[str, str], **fields: Any) -> tuple[PodRef, Connection]:
        spec = self.spec(code, **fields)
        if self.warm:
            assert self.runner.run(self.runtime.warm(spec)) is None
        ref = self.runner.run(self.runtime.start(spec))
        return ref, self.connect(ref)

    def open(self, code: str | dict[str, str], **fields: Any) -> Connection:
        """A low latency pod, unless told otherwise."""
        return self.start(code, **fields)[1]

    def elastic(self, code: str | dict[str, str], **fields: Any) -> Connection:
        return self.open(code, mode=Mode.ELASTIC, **fields)

    def parallel(self, code: str | dict[str, str], **fields: Any) -> Connection:
        fields = {"parallel_executions_max": 6, **fields}
        return self.open(code, enable_parallel_executions=True, **fields)

    def connect(self, ref: PodRef, acked: int = 0, acknowledging: bool = True) -> Connection:
        connection = Connection(self.runner.run(self.runtime.connect(ref)), acked, acknowledging)
        self.connections.append(connection)
        return connection

    def stop(self, ref: PodRef, grace_s: float = 0) -> None:
        self.runner.run(self.runtime.stop(ref, grace_s))

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        complaints = [path.read_text() for path in self.folder.glob("*/pods/*/supervisor.log") if path.stat().st_size]
        print(*complaints)
        for ref in self.runner.run(self.runtime.list()):
            self.stop(ref)
            assert not Path(f"/proc/{ref.pid}").exists()
        self.runner.run(self.runtime.close())
        assert not list(self.folder.glob("*/zygotes/*"))


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "image"], check=True)
    return folder / "image"


@pytest.fixture
def pods(tmp_path: Path, image: Path) -> Iterator[Pods]:
    """Each in a fresh interpreter."""
    with asyncio.Runner() as runner:
        options = PodOptions(zygotes=ZygoteLimits(count_max=0))
        opened = Pods(runner, runner.run(ProcessRuntime.open(tmp_path / "data", options)), image, tmp_path)
        yield opened
        opened.close()


@pytest.fixture
def warm_pods(tmp_path: Path, image: Path) -> Iterator[Pods]:
    """Elastic ones are forked from a zygote."""
    with asyncio.Runner() as runner:
        runtime = runner.run(ProcessRuntime.open(tmp_path / "warm"))
        if runtime.isolation is not IsolationLevel.NAMESPACES:
            pytest.skip("there are no namespaces here")
        opened = Pods(runner, runtime, image, tmp_path, warm=True)
        yield opened
        opened.close()


@pytest.fixture
def unisolated_pods(tmp_path: Path, image: Path) -> Iterator[Pods]:
    """As on a machine without user namespaces."""
    with asyncio.Runner() as runner:
        best = runner.run(ProcessRuntime.open(tmp_path / "unisolated"))
        runtime = ProcessRuntime(tmp_path / "unisolated", PodOptions(), best.program, IsolationLevel.PROCESS)
        opened = Pods(runner, runtime, image, tmp_path / "unisolated")
        yield opened
        opened.close()
        runner.run(best.close())
