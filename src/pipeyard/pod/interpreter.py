"""Becomes the image's interpreter, under the limits of its pod, with nothing open but what it is given."""

from __future__ import annotations

import contextlib
import os
import signal

from . import kernel, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .folder import PodPaths
    from .limits import Limits

CHANNEL_FD = 3
# Names the pod's folder. By it the runtime finds what a supervisor without a pid namespace has left behind.
POD_VARIABLE = "PIPEYARD_POD"


class Interpreter:
    """What a forked process of the supervisor turns into."""

    __slots__ = ("_order", "_own_processes", "limits", "paths")

    def __init__(self, order: dict[str, Any], paths: PodPaths, limits: Limits, own_processes: bool) -> None:
        self.paths = paths
        self.limits = limits
        self._order = order
        self._own_processes = own_processes

    def execute(self, verb: str, descriptors: tuple[int, int, int], builds_no_places: bool = False) -> NoReturn:
        """`descriptors`: stdout, stderr, and what becomes CHANNEL_FD. A failure is written to stderr."""
        try:
            os.setsid()
            self.limits.enter()  # first: it uses descriptors that are overwritten below
            if not self._own_processes:
                kernel.set_parent_death_signal(signal.SIGKILL)
            take_descriptors(*descriptors)
            os.umask(0o022)
            os.chdir(self.paths.work)
            if builds_no_places:
                seccomp.refuse_building_places()
            python = os.path.join(self.paths.image, "bin", "python")
            os.execve(python, [python, "-I", self.paths.program, verb], self.environment())  # noqa: S606
        except BaseException as error:
            os.write(2, f"the {verb} cannot start: {error}\n".encode())
        os._exit(126)

    def environment(self) -> dict[str, str]:
        """The variables of the process: the user's too."""
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


def take_descriptors(stdout: int, stderr: int, channel: int) -> None:
    """Give them their numbers, with an empty stdin, and close all others."""
    null = os.open(os.devnull, os.O_RDONLY)
    channel = os.dup(channel)  # out of the way of the low numbers
    for descriptor, number in ((null, 0), (stdout, 1), (stderr, 2), (channel, CHANNEL_FD)):
        os.dup2(descriptor, number)
        os.set_inheritable(number, True)  # dup2 onto itself leaves it to be closed by exec
    for name in os.listdir("/proc/self/fd"):
        if int(name) > CHANNEL_FD:
            with contextlib.suppress(OSError):  # the one that the list was read through
                os.close(int(name))
