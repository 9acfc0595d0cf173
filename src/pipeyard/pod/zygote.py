"""The process that has done the imports, and from which elastic workers are forked.

It runs code of packages, so it lives like a worker: in a place of its own, with limits, without rights, without a
variable of a user. Its workers are its memory as the imports left it, in the place of their pod.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys

from . import births, forkable, hooks, worker
from .folder import PodPaths
from .interpreter import CHANNEL_FD
from .zygote_keeper import PACKET_MAX_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REASON_MAX_CHARS = 500


def incubate() -> None:
    """Import what the server names, say what came of it, and fork a worker for each request."""
    server = socket.socket(fileno=CHANNEL_FD)
    server.set_inheritable(False)
    order = json.loads(server.recv(PACKET_MAX_BYTES))
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would start threads and open a database at its import
    before = set(sys.modules)
    worker.set_path()
    descriptors = forkable.open_descriptors()
    for module, names in order["imports"]:
        _import(module, names)
    reason = _run_hooks(order["hooks"]) or forkable.reason_against(descriptors)
    server.send(json.dumps({"reason": reason, "memory_bytes": forkable.own_memory_bytes()}).encode())
    if reason is not None:
        return
    gc.collect()
    gc.freeze()  # or the first collection of each worker would copy everything
    if not _serve(server):
        return
    if _shadowed(set(sys.modules) - before):
        worker.start_afresh()
    _forget()
    worker.work()
    worker.leave()


def _serve(server: socket.socket) -> bool:
    """False when the server has gone; True in each worker."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what is forked here
    while True:
        request, descriptors, _, _ = socket.recv_fds(server, len(births.REQUEST), births.DESCRIPTORS_MAX)
        if not request:
            return False
        try:
            if os.fork() == 0:
                return births.be_born(descriptors)
        except OSError:
            pass  # no process to be had: the supervisor sees that its descriptors are closed
        for descriptor in descriptors:
            os.close(descriptor)


def _import(module: str, names: list[str]) -> None:
    # What cannot be imported here fails, or is never asked for, in the execution itself.
    with contextlib.suppress(BaseException):
        __import__(module, fromlist=names)


def _run_hooks(source: str | None) -> str | None:
    """Why they cannot be run."""
    if source is None:
        return None
    path = os.path.join(PodPaths.isolated().work, hooks.FILE)
    try:
        hooks.load(source, path)
    except BaseException as error:
        return f"before_fork of {hooks.FILE} raises {type(error).__name__}: {error}"[:_REASON_MAX_CHARS]
    return None


def _shadowed(imported: set[str]) -> bool:
    """Whether a package has imported something under the name of a module of the user's, which would not be found."""
    own = {name.partition(".")[0] for name in os.listdir(".")} - {hooks.MODULE}
    return not own.isdisjoint(name.partition(".")[0] for name in imported)


def _forget() -> None:
    """Nothing random, and no name of a file, is the same in two workers."""
    loaded: dict[str, Any] = sys.modules
    if "numpy.random" in loaded:
        loaded["numpy.random"].seed()
    if "random" in loaded:
        loaded["random"].seed()
    if "uuid" in loaded:
        loaded["uuid"]._node = loaded["uuid"]._last_timestamp = None
    if "tempfile" in loaded:
        loaded["tempfile"]._name_sequence = loaded["tempfile"].tempdir = None
