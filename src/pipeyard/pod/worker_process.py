"""The worker, as its supervisor sees it: a process, its channel and its pipes."""

from __future__ import annotations

import os
import signal
import socket

from . import births, endings, process_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .interpreter import Interpreter


class WorkerProcess:
    """Starts the worker in the pod's place and remembers its ends."""

    def __init__(
        self, order: dict[str, Any], interpreter: Interpreter, own_processes: bool, birth: births.Birth | None
    ) -> None:
        self.paths = interpreter.paths
        self.limits = interpreter.limits
        self._order = order
        self._interpreter = interpreter
        self._own_processes = own_processes
        self.status: int | None = None  # as waitpid gives it, once it has ended
        self.is_forked = False
        ends = self._open()
        self.pid = 0 if birth is None else birth.complete(ends, self.channel)
        self.is_forked = self.pid != 0
        if not self.is_forked:
            self.pid = self._execute(ends if birth is None else self._open())

    def configuration(self) -> dict[str, Any]:
        """What the worker must know before its first execution."""
        names = ("mode", "parallel", "function_path", "function_name", "inputs", "outputs", "variables")
        configuration = {name: self._order[name] for name in names}
        if self.is_forked:
            configuration["environment"] = self._interpreter.environment()
        return {**configuration, "work": self.paths.work, "outbox": self.paths.outbox}

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

    def _open(self) -> births.Ends:
        """Make the pipes and the channel. Returns the worker's ends."""
        self.stdout_fd, stdout = os.pipe()
        self.stderr_fd, stderr = os.pipe()
        self.channel, theirs = socket.socketpair()
        return stdout, stderr, theirs.detach()

    def _execute(self, ends: births.Ends) -> int:
        pid = os.fork()
        if pid == 0:
            self._interpreter.execute("worker", ends)
        for descriptor in ends:
            os.close(descriptor)
        return pid
