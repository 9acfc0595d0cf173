"""From a process that was forked for it to a supervisor in its own place.

The body of the `launch` frame: pod_id, pod_dir, image, program, code (or null), mode, parallel, slots, function_path,
function_name, inputs and outputs ([[name, type]]), variables, level, outside_uid, hidden, gpus
([[id, device file]]), orphan_s, memory_max_bytes (or null), is_ram_reserved, processes_max, disk_max_bytes.
The pod answers on its stdout: "ready\\n" once it is isolated, or the reason why it could not be.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket

from . import cgroups, folder, isolation, kernel, protocol
from .births import Birth
from .interpreter import Interpreter
from .limits import Limits, forbid_core_dumps
from .supervisor import Supervisor
from .worker_process import WorkerProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LISTEN_BACKLOG = 16


class PodFiles:
    """Descriptors into the pod's folder, opened before it goes out of sight."""

    __slots__ = ("exit", "journal", "listener", "ref")

    def __init__(self, pod_dir: str) -> None:
        os.chdir(pod_dir)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(folder.SOCKET_FILE)  # by its short name: a socket's path is limited to 108 bytes
        self.listener.listen(_LISTEN_BACKLOG)
        self.ref = _create(folder.REF_FILE)
        self.exit = _create(folder.EXIT_FILE)
        self.journal = _create(folder.JOURNAL_FILE, os.O_APPEND)


class Nursery:
    """The zygote that the pod's worker comes from, and the place that the pod is made in."""

    __slots__ = ("outer", "zygote")

    def __init__(self, zygote: int, users: int, pids: int) -> None:
        self.zygote = socket.socket(fileno=zygote)
        self.outer = isolation.Outer(users, pids)


def launch(connection_fd: int, nursery: Nursery | None) -> None:
    """Receive what to launch on the connection and become the pod's supervisor. In a process forked for it."""
    connection = socket.socket(fileno=connection_fd)
    decoder = protocol.Decoder()
    frames: list[protocol.Frame] = []
    while not frames:
        data = connection.recv(1 << 16)
        if not data:
            return
        frames = decoder.feed(data)
    order = json.loads(frames[0].body)
    with contextlib.suppress(OSError):  # kernels without keys; no place for one more
        kernel.leave_session_keyring()
    groups = cgroups.create(order["pod_id"], order["memory_max_bytes"], order["processes_max"])
    birth = None if nursery is None else Birth(nursery.zygote, groups.procs)
    try:
        files = _isolated(order, nursery, birth)
    except OSError as error:
        print(error, flush=True)
        os._exit(1)
    os.write(1, b"ready\n")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    kernel.set_dumpable(False)  # user code has the same user id: it must not trace the supervisor. Exec ends this
    worker = WorkerProcess(order, interpreter_of(order, groups), order["level"] == "namespaces", birth)
    supervisor = Supervisor(order, files, worker)
    supervisor.adopt(connection, decoder, frames[1:])
    supervisor.run()


def _isolated(order: dict[str, Any], nursery: Nursery | None, birth: Birth | None) -> PodFiles:
    """Return in the process that the supervisor is to be: a child of the one that called."""
    namespaces = order["level"] == "namespaces"
    paths = create_files(order)
    files = PodFiles(order["pod_dir"])
    place = place_of(order, paths)
    prepared = isolation.leave(place, nursery.outer if nursery else None) if namespaces else None
    if os.fork():
        os._exit(0)  # the supervisor is an orphan now: it belongs to whoever reaps, this server or init
    if birth is not None:
        birth.show_places()
    _write_ref(files.ref, order["level"])
    if prepared is not None:
        isolation.enter(place, prepared)
        # To measure what user code has closed to others, and what it has deleted and keeps open.
        kernel.keep_capabilities((kernel.CAP_DAC_READ_SEARCH, kernel.CAP_SYS_PTRACE))
    else:
        kernel.set_child_subreaper()
    return files


def create_files(order: dict[str, Any]) -> folder.PodPaths:
    """Make the files of a place. Where they are, from outside."""
    namespaces = order["level"] == "namespaces"
    owner = order["outside_uid"] if namespaces and os.geteuid() == 0 else None
    paths = _paths_outside(order)
    folder.create_files(paths, order["code"], owner)
    forbid_core_dumps()
    return paths


def _paths_outside(order: dict[str, Any]) -> folder.PodPaths:
    files = os.path.join(order["pod_dir"], folder.FILES_FOLDER)
    return folder.PodPaths(files, order["image"], order["program"])


def place_of(order: dict[str, Any], outside: folder.PodPaths, has_places: bool = False) -> isolation.Place:
    """What can be seen inside."""
    inside = folder.PodPaths.isolated()
    binds = isolation.interpreter_binds(order["image"])
    binds += [
        isolation.Bind(outside.image, inside.image),
        isolation.Bind(outside.program, inside.program),
        isolation.Bind(outside.tmp, "/var/tmp", writable=True),  # noqa: S108  the pod's own
    ]
    binds += [isolation.Bind(*pair, writable=True) for pair in zip(outside.folders(), inside.folders())]  # noqa: B905  Python 3.9
    return isolation.Place(
        binds,
        hidden=order["hidden"],
        gpu_devices=[device for _, device in order["gpus"]],
        outside_uid=order["outside_uid"],
        shared_memory_max_bytes=order["memory_max_bytes"],
        has_places=has_places,
    )


def interpreter_of(order: dict[str, Any], groups: cgroups.Groups) -> Interpreter:
    """What user code will run in."""
    isolated = order["level"] == "namespaces"
    paths = folder.PodPaths.isolated() if isolated else _paths_outside(order)
    return Interpreter(order, paths, Limits(order, groups, paths, isolated), own_processes=isolated)


def _create(name: str, flags: int = 0) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | flags, 0o600)


def _write_ref(descriptor: int, level: str) -> None:
    # No import may happen between leaving and entering: root's interpreters are out of reach. Here /proc is still the
    # machine's: /proc/self names the pid as seen from outside, on the way into a pid namespace.
    with open("/proc/self/stat", "rb") as file:
        content = file.read()
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        boot_id = file.read().decode().strip()
    pid = int(content.split(b" ", 1)[0])
    start_time_ticks = int(content.rpartition(b")")[2].split()[19])
    ref = {"pid": pid, "start_time_ticks": start_time_ticks, "boot_id": boot_id, "level": level}
    os.write(descriptor, json.dumps(ref).encode())  # one write: a reader sees nothing or all
    os.close(descriptor)
