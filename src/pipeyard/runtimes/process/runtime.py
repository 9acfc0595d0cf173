"""The runtime port on plain processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pipeyard.clock import monotonic_s
from pipeyard.domain.pods import IsolationLevel, PodPhase, PodRef, PodSpec, PodState
from pipeyard.domain.samples import PodUsage
from pipeyard.errors import PodError
from pipeyard.pod import folder as layout
from pipeyard.pod import kernel, program
from pipeyard.pod.isolation import NOBODY_UID
from pipeyard.runtimes.process.folders import PodFolder
from pipeyard.runtimes.process.launcher import Launcher, PodLimits
from pipeyard.runtimes.process.probe import describe_limits, probe
from pipeyard.runtimes.process.processes import Watch, boot_id, is_alive, kill_survivors
from pipeyard.runtimes.process.spawners import Spawners
from pipeyard.runtimes.process.usage import read_usage
from pipeyard.runtimes.process.zygotes import ZygoteLimits, Zygotes

# Starting a pod blocks a thread for tens of milliseconds. More at once would only compete for the processor.
_LAUNCHES_MAX = 8
_CONNECT_TIMEOUT_S = 10.0
_CONNECT_RETRY_S = 0.02


@dataclass(frozen=True)
class PodOptions:
    """What holds for all pods of a runtime."""

    minimum: IsolationLevel = IsolationLevel.PROCESS
    outside_uid: int = NOBODY_UID  # whom the pods of a server that is root belong to
    orphan_s: float = 600.0  # how long an idle pod waits for a server that does not return
    limits: PodLimits = field(default_factory=PodLimits)
    gpu_devices: Mapping[str, str] = field(default_factory=dict)  # files such as /dev/nvidia0, by the id of the GPU
    zygotes: ZygoteLimits = field(default_factory=ZygoteLimits)


class ProcessRuntime:
    """Pods are processes below this server, and outlive it."""

    def __init__(
        self, data_dir: Path, options: PodOptions, program_dir: Path, level: IsolationLevel, lack: str = ""
    ) -> None:
        self._lack = lack
        self._pods = data_dir / "pods"
        self._spawners = Spawners(program_dir)
        self._launcher = Launcher(
            program_dir,
            level,
            options.outside_uid,
            options.orphan_s,
            hidden=data_dir,
            limits=options.limits,
            gpu_devices=options.gpu_devices,
            spawners=self._spawners,
        )
        self._zygotes = Zygotes(self._launcher, data_dir / "zygotes", options.zygotes)
        self._boot_id = boot_id()
        self._threads = ThreadPoolExecutor(_LAUNCHES_MAX, thread_name_prefix="pod-launch")
        self._starting: dict[str, asyncio.Task[PodRef]] = {}
        self._connections: dict[PodRef, socket.socket] = {}  # the first ones, made before the pods were

    @classmethod
    async def open(cls, data_dir: Path, options: PodOptions | None = None) -> ProcessRuntime:
        """Install the pod program and probe the machine. Raises PodError if it isolates less than the minimum."""
        options = options or PodOptions()
        data_dir = data_dir.resolve()
        (data_dir / "pods").mkdir(parents=True, exist_ok=True, mode=0o700)
        kernel.set_child_subreaper()  # supervisors are orphans on purpose: this server reaps its own
        program_dir = await asyncio.to_thread(program.install, data_dir)
        level, lack = await asyncio.to_thread(probe, program_dir, options.outside_uid)
        if options.minimum is IsolationLevel.NAMESPACES and level is not IsolationLevel.NAMESPACES:
            raise PodError(f"this machine cannot isolate pods in namespaces: {lack}")
        return cls(data_dir, options, program_dir, level, lack)

    @property
    def isolation(self) -> IsolationLevel:
        """The level that new pods get, probed when the runtime was opened."""
        return self._launcher.level

    def describe(self) -> dict[str, str]:
        """What this machine gives to pods, and what it lacks, for people."""
        lack = f", since namespaces fail: {self._lack}" if self._lack else ""
        return {
            "isolation": f"{self.isolation.value}{lack}",
            "limits": describe_limits(),
            "zygotes": self._zygotes.describe(),
        }

    @property
    def program(self) -> Path:
        """The installed pod program, for whoever runs a command isolated (pod/isolate.py)."""
        return self._launcher.program

    async def close(self) -> None:
        """Let go of the pods; they live on."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        await self._zygotes.close()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._spawners.close)

    async def start(self, spec: PodSpec) -> PodRef:
        """Start a pod. Idempotent on `spec.pod_id`: a pod that lives is returned as it is. Raises PodError."""
        task = self._starting.get(spec.pod_id)
        if task is None:
            task = asyncio.create_task(self._start(spec))
            self._starting[spec.pod_id] = task
            task.add_done_callback(lambda _: self._starting.pop(spec.pod_id, None))
        return await asyncio.shield(task)  # the pod starts whether or not the caller is still there

    async def warm(self, spec: PodSpec) -> str | None:
        """See the port."""
        return await self._zygotes.warm(spec)

    async def connect(self, ref: PodRef) -> socket.socket:
        """A new stream to the pod's supervisor, to speak `pod.protocol` on. Waits while it is starting."""
        first = self._connections.pop(ref, None)
        if first is not None:
            return first
        give_up_at_s = monotonic_s() + _CONNECT_TIMEOUT_S
        while True:
            if not self._may_answer(ref):
                raise PodError(f"the pod {ref.pod_id} has ended")
            try:
                return self._connect(ref)
            except OSError as error:
                if monotonic_s() >= give_up_at_s:
                    raise PodError(f"the pod {ref.pod_id} cannot be reached: {error}") from error
            await asyncio.sleep(_CONNECT_RETRY_S)

    async def inspect(self, ref: PodRef) -> PodState:
        """Where the pod is in its life. Works on refs of an earlier server process."""
        folder = PodFolder(self._pods, ref.pod_id)
        found = folder.read()
        if found is None or not _is_same(ref, found.ref):
            return PodState(PodPhase.GONE)
        if self._lives(found.ref):
            return PodState(PodPhase.READY)
        if found.launching:
            return PodState(PodPhase.STARTING)
        return PodState(PodPhase.EXITED, folder.exit_reason() or "lost", folder.started())

    async def exited(self, ref: PodRef) -> None:
        """Return once no process of the pod is left."""
        if ref.boot_id != self._boot_id:
            return
        with contextlib.suppress(ProcessLookupError):
            watch = Watch(ref.pid, ref.start_time_ticks)
            try:
                await watch.ended()
            finally:
                watch.close()
        await self._end_survivors(ref)

    async def usage(self, refs: Sequence[PodRef]) -> Mapping[PodRef, PodUsage]:
        """What the processes of these pods use; a pod that is gone is left out."""
        mine = [ref for ref in refs if ref.boot_id == self._boot_id]
        return await asyncio.to_thread(read_usage, mine) if mine else {}

    async def list(self) -> Sequence[PodRef]:
        """Every pod of this installation that still has a process or a folder."""
        found = (PodFolder(self._pods, name).read() for name in sorted(os.listdir(self._pods)))
        return [pod.ref for pod in found if pod is not None]

    async def stop(self, ref: PodRef, grace_s: float) -> None:
        """End the pod, politely for `grace_s`, then not, and remove what it leaves. Idempotent."""
        starting = self._starting.get(ref.pod_id)
        if starting is not None:
            await asyncio.wait({starting})
        folder = PodFolder(self._pods, ref.pod_id)
        found = folder.read()
        if found is None or not _is_same(ref, found.ref):
            return  # it is gone; a folder of its name is another pod's
        with contextlib.suppress(ProcessLookupError):
            if found.ref.boot_id == self._boot_id:
                await _end(Watch(found.ref.pid, found.ref.start_time_ticks), grace_s)
        await self._end_survivors(found.ref)
        self._forget_connection(found.ref)
        await asyncio.to_thread(folder.remove)

    async def _start(self, spec: PodSpec) -> PodRef:
        folder = PodFolder(self._pods, spec.pod_id)
        found = folder.read()
        if found is not None and self._lives(found.ref):
            return found.ref
        if found is not None:
            self._forget_connection(found.ref)
        loop = asyncio.get_running_loop()
        nursery = self._zygotes.lend(spec)
        try:
            ref, connection = await loop.run_in_executor(self._threads, self._launcher.launch, spec, folder, nursery)
        except OSError as error:
            raise PodError(f"the pod cannot be started on this machine: {error}") from error
        finally:
            for descriptor in nursery:
                os.close(descriptor)
        self._connections[ref] = connection
        return ref

    def _connect(self, ref: PodRef) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Through the folder's descriptor: the path of a socket is limited to 108 bytes.
        try:
            descriptor = os.open(self._pods / ref.pod_id, os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{descriptor}/{layout.SOCKET_FILE}")
            finally:
                os.close(descriptor)
        except OSError:
            connection.close()
            raise
        connection.setblocking(False)
        return connection

    def _forget_connection(self, ref: PodRef) -> None:
        connection = self._connections.pop(ref, None)
        if connection is not None:
            connection.close()

    def _may_answer(self, ref: PodRef) -> bool:
        found = PodFolder(self._pods, ref.pod_id).read()
        return found is not None and _is_same(ref, found.ref) and (found.launching or self._lives(found.ref))

    def _lives(self, ref: PodRef) -> bool:
        return ref.boot_id == self._boot_id and is_alive(ref.pid, ref.start_time_ticks)

    async def _end_survivors(self, ref: PodRef) -> None:
        found = PodFolder(self._pods, ref.pod_id).read()
        if found is not None and not found.isolated:
            await asyncio.to_thread(kill_survivors, self._pods / ref.pod_id)


def _is_same(ref: PodRef, found: PodRef) -> bool:
    """Whether both are the same pod. One that was listed while it was launched had no process to name yet."""
    return ref == found or 0 in (ref.pid, found.pid)


async def _end(watch: Watch, grace_s: float) -> None:
    try:
        if grace_s > 0:
            watch.send(signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(watch.ended(), grace_s)
        watch.send(signal.SIGKILL)
        await watch.ended()
    finally:
        watch.close()
