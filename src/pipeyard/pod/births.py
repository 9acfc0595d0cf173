"""How a supervisor gets a worker out of a zygote: it sends the places to enter, the zygote's child enters them.

The supervisor is the first process of its pod. It sends one message with descriptors: its user, ipc, mount and pid
namespaces, stdout, stderr and channel of the worker, and the cgroups of the pod. The child says one byte on the
channel, which tells its pid, or everything is closed.
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
    ("mnt", kernel.CLONE_NEWNS),
    ("pid", kernel.CLONE_NEWPID),
)
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
DESCRIPTORS_MAX = 16
REQUEST = b"worker"


def ask(zygote: socket.socket, ends: Ends, groups: Sequence[int], channel: socket.socket) -> int:
    """The pid of a worker out of the zygote, a child of this process; 0 when there is none. `ends` are closed."""
    places = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name, _ in _NAMESPACES]
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    channel.settimeout(_BIRTH_MAX_S)
    try:
        with contextlib.suppress(OSError):  # it has gone
            socket.send_fds(zygote, [REQUEST], [*places, *ends, *groups])
        for descriptor in (*places, *ends):
            os.close(descriptor)
        data, control, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
        if data and control:
            return int(_CREDENTIALS.unpack(control[0][2])[0])
    except OSError:  # it does not answer
        pass
    process_tree.kill_descendants(own_processes=True)  # one that comes too late
    return 0


def be_born(descriptors: list[int]) -> bool:
    """In a process that the zygote has just forked: whether this is the worker now. All others end in here.

    Descriptors, capabilities and the current folder are a worker's then; memory is the zygote's.
    """
    try:
        places, ends, groups = descriptors[:4], descriptors[4:7], descriptors[7:]
        for group in groups:
            os.write(group, b"0")
        for descriptor, (_, kind) in zip(places, _NAMESPACES):  # noqa: B905  Python 3.9
            kernel.enter_namespace(descriptor, kind)
        # The first child is in the pod, below a process that is not. Its child becomes the supervisor's when it ends.
        for _ in range(2):
            if os.fork():
                os._exit(0)
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
