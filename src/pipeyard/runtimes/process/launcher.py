"""Starts the pod program in an image's interpreter and hands it its orders."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeyard.domain.pods import IsolationLevel, PodRef, PodSpec
from pipeyard.errors import PodError
from pipeyard.pod import folder as layout
from pipeyard.pod import protocol
from pipeyard.runtimes.process.folders import PodFolder

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

    def launch(self, spec: PodSpec, folder: PodFolder) -> tuple[PodRef, socket.socket]:
        """Start the pod and return once it is isolated, with its first connection. Blocks. Raises PodError."""
        folder.remove()  # of a pod of this id that has died
        lock_fd = folder.create(spec)
        ours, theirs = socket.socketpair()
        try:
            answer = self._run(spec, folder, ours, theirs, lock_fd)
            found = folder.read()
            if answer != "ready" or found is None or found.ref.pid == 0:
                raise PodError(f"the pod cannot start: {answer or folder.log() or 'its process has gone'}")
        except BaseException:
            ours.close()
            folder.remove()
            raise
        finally:
            os.close(lock_fd)
        ours.setblocking(False)
        return found.ref, ours

    def _run(self, spec: PodSpec, folder: PodFolder, ours: socket.socket, theirs: socket.socket, lock_fd: int) -> str:
        # The installation that the image was made from: what lies in the image may be the work of its packages.
        python = (spec.image / "bin" / "python").resolve()
        inherited = (theirs.fileno(), lock_fd)
        command = [str(python), "-I", "-S", str(self.program), "launch", *map(str, inherited)]
        with theirs, open(folder.path / layout.LOG_FILE, "wb") as log:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    pass_fds=inherited,
                    start_new_session=True,
                    cwd="/",
                    env={"LANG": "C.UTF-8"},  # the server's variables are none of a pod's business
                )
            except OSError as error:
                raise PodError(f"the image has no interpreter that runs: {error}") from error
        order = protocol.encode({"type": "launch"}, json.dumps(self._order(spec, folder)).encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has died: its answer says why
            ours.settimeout(_TIMEOUT_S)
            ours.sendall(order)
        try:
            answer, _ = process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise PodError(f"the pod has not started within {_TIMEOUT_S:g} s") from None
        return answer.decode(errors="replace").strip()

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
