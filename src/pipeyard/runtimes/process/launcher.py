"""Starts the pod program in an image's interpreter and hands it its orders."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeyard.clock import monotonic_s
from pipeyard.domain.pods import IsolationLevel, PodRef, PodSpec
from pipeyard.errors import PodError
from pipeyard.pod import folder as layout
from pipeyard.pod import protocol
from pipeyard.pod.spawner import POD, ZYGOTE
from pipeyard.runtimes.process.folders import PodFolder
from pipeyard.runtimes.process.spawners import Spawners

_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class PodLimits:
    """What the user code of any pod may use at most, besides memory."""

    processes_max: int = 1024  # threads count too
    disk_max_bytes: int = 20_000_000_000  # all its files, and so each of them


@dataclass(frozen=True)
class Launcher:
    """What is the same for all pods of a server."""

    program: Path
    level: IsolationLevel
    outside_uid: int
    orphan_s: float
    hidden: Path  # the platform's data
    limits: PodLimits
    gpu_devices: Mapping[str, str]  # by the id of the GPU
    spawners: Spawners

    def launch(self, spec: PodSpec, folder: PodFolder, nursery: Sequence[int] = ()) -> tuple[PodRef, socket.socket]:
        """Start the pod and return once it is isolated, with its first connection. Blocks. Raises PodError.

        `nursery`: the descriptors of the zygote that its worker comes from.
        """
        folder.remove()  # of a pod of this id that has died
        lock_fd = folder.create(spec)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                answer = self._ask(spec.image, folder, POD, [theirs.fileno(), lock_fd, *nursery])
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has died: its answer says why
                ours.settimeout(_TIMEOUT_S)
                ours.sendall(protocol.encode({"type": "launch"}, json.dumps(self._order(spec, folder)).encode()))
            said = _read_all(answer)
            found = folder.read()
            if said != "ready" or found is None or found.ref.pid == 0:
                raise PodError(f"the pod cannot start: {said or folder.log() or 'its process has gone'}")
        except BaseException:
            ours.close()
            folder.remove()
            raise
        finally:
            os.close(lock_fd)
        ours.setblocking(False)
        return found.ref, ours

    def start_zygote(self, spec: PodSpec, folder: PodFolder) -> socket.socket:
        """Start the place of a zygote for pods like this one. Blocks. Returns the server's end of its socket."""
        lock_fd = folder.create(spec)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                os.close(self._ask(spec.image, folder, ZYGOTE, [theirs.fileno(), lock_fd]))
            ours.send(json.dumps({**self._order(spec, folder), "code": None}).encode())
        except BaseException:
            ours.close()
            folder.remove()
            raise
        finally:
            os.close(lock_fd)
        return ours

    def _ask(self, image: Path, folder: PodFolder, request: bytes, descriptors: list[int]) -> int:
        """Have the first process of a pod forked. Returns where its answer can be read."""
        answer, writer = os.pipe()
        try:
            with open(folder.path / layout.LOG_FILE, "wb") as log:
                self.spawners.ask(image, request, [*descriptors[:2], writer, log.fileno(), *descriptors[2:]])
        except BaseException:
            os.close(answer)
            raise
        finally:
            os.close(writer)
        return answer

    def _order(self, spec: PodSpec, folder: PodFolder) -> dict[str, object]:
        return {
            "pod_id": spec.pod_id,
            "pod_dir": str(folder.path),
            "image": str(spec.image.resolve()),
            "program": str(self.program),
            "code": str(spec.code),
            "mode": spec.mode.value,
            "parallel": spec.enable_parallel_executions,
            "slots": spec.parallel_executions_max if spec.enable_parallel_executions else 1,
            "function_path": spec.function_path,
            "function_name": spec.function_name,
            "inputs": spec.inputs,
            "outputs": spec.outputs,
            "variables": spec.variables,
            "level": self.level.value,
            "outside_uid": self.outside_uid,
            "hidden": [str(self.hidden)],
            "gpus": [[gpu, self.gpu_devices[gpu]] for gpu in spec.gpus],
            "is_ram_reserved": spec.is_ram_reserved,
            "orphan_s": self.orphan_s,
            "memory_max_bytes": spec.ram_request_bytes,
            "processes_max": self.limits.processes_max,
            "disk_max_bytes": self.limits.disk_max_bytes,
        }


def _read_all(descriptor: int) -> str:
    """What is written until all others have let go of the pipe. Raises PodError when that takes too long."""
    said = b""
    give_up_at_s = monotonic_s() + _TIMEOUT_S
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        while True:
            if not poll.poll(1000 * max(0.0, give_up_at_s - monotonic_s())):
                raise PodError(f"the pod has not started within {_TIMEOUT_S:g} s")
            chunk = os.read(descriptor, 4096)
            if not chunk:
                return said.decode(errors="replace").strip()
            said += chunk
    finally:
        os.close(descriptor)
