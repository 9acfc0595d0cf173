"""The spawners of this server: one small process per interpreter, which forks the first processes of pods."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from pipeyard.errors import PodError


class Spawners:
    """Starts them when they are needed first, and again when one has ended. For any thread."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[subprocess.Popen[bytes], socket.socket]] = {}

    def ask(self, image: Path, request: bytes, descriptors: Sequence[int]) -> None:
        """Have a process forked with copies of these descriptors. Raises PodError."""
        # The installation that the image was made from: what lies in the image may be the work of its packages.
        python = (image / "bin" / "python").resolve()
        try:
            with self._lock:
                try:
                    socket.send_fds(self._control(python), [request], descriptors)
                except (BrokenPipeError, ConnectionResetError):
                    self._end(python)
                    socket.send_fds(self._control(python), [request], descriptors)
        except OSError as error:
            raise PodError(f"the image has no interpreter that runs: {error}") from error

    def close(self) -> None:
        """End them; what they have forked lives on."""
        with self._lock:
            for python in list(self._open):
                self._end(python)

    def _control(self, python: Path) -> socket.socket:
        found = self._open.get(python)
        if found is None:
            found = self._open[python] = self._start(python)
        return found[1]

    def _start(self, python: Path) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            process = subprocess.Popen(
                [str(python), "-I", "-S", str(self._program), "spawn", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                cwd="/",
                env={"LANG": "C.UTF-8"},  # the server's variables are none of a pod's business
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return process, ours

    def _end(self, python: Path) -> None:
        process, control = self._open.pop(python)
        control.close()
        process.wait()
