"""The first process of a zygote's place. It runs no code of packages, and keeps the place while a pod is in it.

The place is made like a pod's, but pods are made within its user and pid namespaces: the zygote's children can enter
those. Over the socket: the server's first packet is for the keeper, an order as of a pod (see launch.py); its second is
for the zygote. The keeper sends descriptors of the two namespaces, the zygote says what came of the imports, and the
keeper says how the zygote ended. When the server shuts its side, the zygote is ended; pods go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket

from . import cgroups, isolation, kernel, launch, process_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .interpreter import Interpreter

PACKET_MAX_BYTES = 128 * 1024


def keep(connection_fd: int) -> None:
    """Make the place, start the zygote in it, and stay as long as a process is there. In a process forked for it."""
    connection = socket.socket(fileno=connection_fd)
    order = json.loads(connection.recv(PACKET_MAX_BYTES))
    with contextlib.suppress(OSError):  # as in a pod
        kernel.leave_session_keyring()
    groups = cgroups.create(order["pod_id"], order["memory_max_bytes"], order["processes_max"])
    place = launch.place_of(order, launch.create_files(order), has_places=True)
    try:
        prepared = isolation.leave(place)
        reader, writer = os.pipe()
        if os.fork():
            names = ("user", "pid_for_children")
            socket.send_fds(connection, [b"{}"], [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in names])
            os._exit(0)
        # Once that is sent: entering takes the parent's root away too, and no code of packages may speak before it.
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        isolation.enter(place, prepared)
    except OSError as error:
        connection.send(json.dumps({"reason": f"it cannot be isolated: {error}"}).encode())
        os._exit(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    kernel.keep_capabilities(())
    kernel.set_dumpable(False)
    _Keeper(connection, launch.interpreter_of(order, groups)).run()


class _Keeper:
    def __init__(self, connection: socket.socket, interpreter: Interpreter) -> None:
        self._connection: socket.socket | None = connection
        self._wakeup = _wakeup_on_children()
        self._zygote = os.fork()
        if self._zygote == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            interpreter.execute("zygote", (null, null, connection.fileno()), builds_no_places=True)
        self._limits = interpreter.limits

    def run(self) -> None:
        """Until no process is left."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        assert self._connection is not None
        poll.register(self._connection, select.POLLRDHUP)
        while True:
            ended = process_tree.reap()
            if self._zygote in ended and self._connection is not None:
                self._say_ended(ended[self._zygote])
                poll.unregister(self._connection)
                self._connection.close()
                self._connection = None
            if self._connection is None and not _has_children():
                return
            for descriptor, _ in poll.poll():
                if descriptor == self._wakeup.fileno():
                    self._wakeup.recv(4096)
                else:
                    self._end_zygote()

    def _end_zygote(self) -> None:
        for pid in _born_of_zygotes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _say_ended(self, status: int) -> None:
        self._end_zygote()  # what it has started
        code = os.waitstatus_to_exitcode(status)
        reason = f"its imports end the process ({f'code {code}' if code >= 0 else f'signal {-code}'})"
        if self._limits.ending() is not None:
            reason = "its imports take more than zygotes_max_bytes of memory"
        assert self._connection is not None
        with contextlib.suppress(OSError):  # nobody listens any more
            self._connection.send(json.dumps({"reason": reason}).encode())


def _born_of_zygotes() -> list[int]:
    """The processes under the filter that are not in a pod: supervisors are not under it, workers are deeper."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, KeyError):
            if name.isdigit():
                with open(f"/proc/{name}/status", encoding="utf-8", errors="replace") as lines:
                    status = dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)
                if status["Seccomp"].strip() == "2" and len(status["NSpid"].split()) == 1:
                    found.append(int(name))
    return found


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _wakeup_on_children() -> socket.socket:
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    return reader
