"""The worker, as its supervisor sees it: a process, its channel and its pipes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from . import endings, kernel, process_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .folder import PodPaths
    from .limits import Limits

CHANNEL_FD = 3
# Names the pod's folder. By it the runtime finds what a supervisor without a pid namespace has left behind.
POD_VARIABLE = "PIPEYARD_POD"


class WorkerProcess:
    """Starts the worker in the pod's place and remembers its ends."""

    def __init__(self, order: dict[str, Any], paths: PodPaths, limits: Limits, own_processes: bool) -> None:
        self.paths = paths
        self.limits = limits
        self._order = order
        self._own_processes = own_processes
        self.pid = 0
        self.status: int | None = None  # as waitpid gives it, once it has ended
        self.stdout_fd, stdout = os.pipe()
        self.stderr_fd, stderr = os.pipe()
        self.channel, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._exec(stdout, stderr, theirs.fileno())
        for descriptor in (stdout, stderr):
            os.close(descriptor)
        theirs.close()

    def configuration(self) -> dict[str, Any]:
        """What the worker must know before its first execution."""
        names = ("mode", "parallel", "function_path", "function_name", "inputs", "outputs", "variables")
        configuration = {name: self._order[name] for name in names}
        return {**configuration, "work": self.paths.work, "program": self.paths.program, "outbox": self.paths.outbox}

    def terminate(self) -> None:
        """Ask the worker to end."""
        if self.status is None:
            os.kill(self.pid, signal.SIGTERM)

    def interrupt(self) -> None:
        """Let it look whether the function that runs is to end."""
        if self.status is None:
            os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End the worker and all that it has started."""
        process_tree.kill_descendants(self._own_processes)
        self.reap()

    def ending(self, *, was_up: bool) -> endings.Ending:
        """Why it ended, once it has."""
        assert self.status is not None
        exceeded = self.limits.ending() if endings.is_killed(self.status) else None
        return exceeded or (endings.of_worker(self.status) if was_up else endings.of_start(self.status))

    def reap(self) -> bool:
        """Collect the children that have ended. Returns whether the worker has."""
        ended = process_tree.reap()
        if self.pid in ended:
            self.status = ended[self.pid]
        return self.status is not None

    def _exec(self, stdout: int, stderr: int, channel: int) -> NoReturn:
        try:
            os.setsid()
            self.limits.enter()  # first: it uses descriptors that are overwritten below
            null = os.open(os.devnull, os.O_RDONLY)
            channel = os.dup(channel)  # out of the way of the low numbers
            for descriptor, number in ((null, 0), (stdout, 1), (stderr, 2), (channel, CHANNEL_FD)):
                os.dup2(descriptor, number)
                os.set_inheritable(number, True)  # dup2 onto itself leaves it to be closed by exec
            if not self._own_processes:
                kernel.set_parent_death_signal(signal.SIGKILL)
            os.umask(0o022)
            os.chdir(self.paths.work)
            _close_from(CHANNEL_FD + 1)
            python = os.path.join(self.paths.image, "bin", "python")
            os.execve(python, [python, "-I", self.paths.program, "worker"], self._environment())  # noqa: S606
        except BaseException as error:
            os.write(2, f"the worker cannot start: {error}\n".encode())
        os._exit(126)

    def _environment(self) -> dict[str, str]:
        image, tmp = self.paths.image, self.paths.tmp
        environment = {
            "PATH": f"{image}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "VIRTUAL_ENV": image,
            "HOME": self.paths.home,
            "TMPDIR": tmp,
            "USER": "pipeyard",
            "LOGNAME": "pipeyard",
            "LANG": "C.UTF-8",
            "PWD": self.paths.work,
        }
        environment.update(self._order["variables"])
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpu for gpu, _ in self._order["gpus"])  # whatever the user sets
        if not self._own_processes:
            environment[POD_VARIABLE] = self._order["pod_dir"]
        return environment


def _close_from(first: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= first:
            with contextlib.suppress(OSError):  # the one that the list was read through
                os.close(int(name))
