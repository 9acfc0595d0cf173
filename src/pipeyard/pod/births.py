"""How a pod gets its worker out of a zygote: step by step, while the pod is still being made.

1. When the pod has its cgroups, they are sent to the zygote, with one end of a socket. It forks a process, which enters
   them.
2. When the pod's first process is there, it sends its namespaces over the socket. The forked process enters all but the
   one of mounts, and forks on, until a child of it is a child of the pod's first process.
3. When the pod has its root, that child is sent stdout, stderr and channel of the worker. It enters the root, gives up
   all rights, and says one byte on the channel, which tells its pid.

Whatever fails closes the channel, and the worker is started afresh.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct

from . import folder, interpreter, kernel, process_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Ends = tuple[int, int, int]  # stdout, stderr, channel

# A healthy zygote needs milliseconds. One that does not answer costs an execution this long, then it starts afresh.
_BIRTH_MAX_S = 5.0
_NAMESPACES = (
    ("user", kernel.CLONE_NEWUSER),  # first: it gives the right to the others
    ("ipc", kernel.CLONE_NEWIPC),
    ("pid", kernel.CLONE_NEWPID),
    ("mnt", kernel.CLONE_NEWNS),  # later: there is no root yet
)
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
DESCRIPTORS_MAX = 8
REQUEST = b"worker"


class Birth:
    """The pod's side."""

    def __init__(self, zygote: socket.socket, groups: Sequence[int]) -> None:
        """Step 1."""
        self._peer, theirs = socket.socketpair()
        self._send(zygote, [theirs.fileno(), *groups])
        theirs.close()
        zygote.close()

    def show_places(self) -> None:
        """Step 2, by the pod's first process."""
        places = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name, _ in _NAMESPACES]
        self._send(self._peer, places)
        for descriptor in places:
            os.close(descriptor)

    def complete(self, ends: Ends, channel: socket.socket) -> int:
        """Step 3. The worker's pid, a child of this process; 0 when there is none. `ends` are closed."""
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        channel.settimeout(_BIRTH_MAX_S)
        self._send(self._peer, ends)
        self._peer.close()
        for descriptor in ends:
            os.close(descriptor)
        with contextlib.suppress(OSError):  # it does not answer
            data, control, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
            if data and control:
                return int(_CREDENTIALS.unpack(control[0][2])[0])
        process_tree.kill_descendants(own_processes=True)  # one that comes too late
        return 0

    def _send(self, peer: socket.socket, descriptors: Sequence[int]) -> None:
        with contextlib.suppress(OSError):  # it has gone: nothing will come of this birth
            socket.send_fds(peer, [REQUEST], descriptors)


def be_born(descriptors: list[int]) -> bool:
    """In a process that the zygote has just forked: whether this is the worker now. All others end in here.

    Descriptors, rights and the current folder are a worker's then; memory is the zygote's.
    """
    try:
        for group in descriptors[1:]:
            os.write(group, b"0")
        pod = socket.socket(fileno=descriptors[0])
        places = _receive(pod, len(_NAMESPACES))
        for descriptor, (_, kind) in zip(places[:-1], _NAMESPACES):  # noqa: B905  Python 3.9
            kernel.enter_namespace(descriptor, kind)
        # The first child is in the pod, below a process that is not. Its child becomes the supervisor's when it ends.
        for _ in range(2):
            if os.fork():
                os._exit(0)
        ends = _receive(pod, 3)
        kernel.enter_namespace(places[-1], kernel.CLONE_NEWNS)
        kernel.keep_capabilities(())
        kernel.set_dumpable(True)  # as any worker is
        os.setsid()
        interpreter.take_descriptors(*ends)
        kernel.keep_in_own_scope()
        os.chdir(folder.PodPaths.isolated().work)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.write(interpreter.CHANNEL_FD, b"\0")
    except BaseException as error:
        os.write(2, f"no worker could be forked: {error!r}\n".encode())
        os._exit(1)
    return True


def _receive(pod: socket.socket, count: int) -> list[int]:
    data, descriptors, _, _ = socket.recv_fds(pod, len(REQUEST), count)
    if not data:
        os._exit(0)  # the pod has gone
    return descriptors
