"""A small process that has this program loaded, runs nothing of anybody's, and forks the first processes of places.

One per interpreter. Each message on its control socket asks for one process, POD or ZYGOTE, with the descriptors that
it gets: connection, lock, answer (its stdout), log (its stderr); of a pod with a zygote also the socket of the zygote,
and the user and pid namespaces of its place. It ends with its server.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import traceback

from . import launch, zygote_keeper

POD, ZYGOTE = b"pod", b"zygote"
_DESCRIPTORS_MAX = 7


def spawn(control_fd: int) -> None:
    """Serve until the server has gone."""
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    _compile_program(os.path.dirname(__file__))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what is forked here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 16, _DESCRIPTORS_MAX)
        if not request:
            return
        with contextlib.suppress(OSError):  # no process to be had: the caller sees that its descriptors are closed
            if os.fork() == 0:
                control.close()
                _become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _become(request: bytes, descriptors: list[int]) -> None:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        connection, lock, answer, log, *nursery = descriptors
        for descriptor, number in ((answer, 1), (log, 2)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        for descriptor in (connection, lock, *nursery):
            os.set_inheritable(descriptor, False)
        if request == ZYGOTE:
            zygote_keeper.keep(connection)
        else:
            launch.launch(connection, launch.Nursery(*nursery) if nursery else None)
        os._exit(0)
    except BaseException:
        with contextlib.suppress(OSError):
            os.write(2, traceback.format_exc().encode())
        os._exit(1)


def _compile_program(package: str) -> None:
    """Cache the program's bytecode for this interpreter, once: inside a place the program cannot be written."""
    mark = os.path.join(package, "__pycache__", f"zygote.{sys.implementation.cache_tag}.pyc")
    if os.path.exists(mark):
        return
    import compileall  # noqa: PLC0415

    compileall.compile_dir(package, quiet=2, force=False)
    compileall.compile_file(os.path.join(package, os.pardir, "__craft_internal_execution_context.py"), quiet=2)
