"""Seeing, reading, stopping and outliving processes that are not the pod's own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
import subprocess
import sys
from typing import Any

from .table import Target, check, escape, first, libc, read

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_OTHERS = ("server_pid", "neighbour_pid", "neighbour_worker_pid")


def _others(target: Target) -> list[int]:
    return [target[name] for name in _OTHERS]


@escape("see the processes of the machine", open_below=True)
def see_processes(target: Target) -> Any:
    return first(lambda pid: read(f"/proc/{pid}/cmdline"), _others(target))


@escape("read the variables of the server")
def read_server_variables(target: Target) -> Any:
    return read(f"/proc/{target['server_pid']}/environ", 100_000)


@escape("read the variables of another pod")
def read_neighbour_variables(target: Target) -> Any:
    pids = (target["neighbour_pid"], target["neighbour_worker_pid"])
    return first(lambda pid: read(f"/proc/{pid}/environ", 100_000), pids)


@escape("find variables of the server in the own environment", "process")
def inherit_variables(target: Target) -> Any:
    found = [value for value in os.environ.values() if target["server_secret"] in value]
    return found or (target["server_secret"].encode() in read("/proc/self/environ", 100_000))


@escape("read the variables, memory and descriptors of the supervisor", "process")
def read_supervisor(target: Target) -> Any:
    folder = f"/proc/{os.getppid()}"
    return first(lambda name: read(f"{folder}/{name}"), ["environ", "maps", "auxv"]) or first(
        lambda name: os.listdir(f"{folder}/{name}"), ["fd", "map_files", "cwd/", "root/"]
    )


@escape("trace the supervisor", "process")
def trace_supervisor(target: Target) -> Any:
    return _traced(os.getppid())


@escape("trace the server or another pod")
def trace_others(target: Target) -> Any:
    return first(_traced, _others(target))


def _traced(pid: int) -> Any:
    check(libc.ptrace(_PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0)
    libc.ptrace(_PTRACE_DETACH, pid, None, None)
    return f"traced {pid}"


@escape("take descriptors from the supervisor", "process")
def take_descriptors(target: Target) -> Any:
    handle = check(libc.syscall(_PIDFD_OPEN, os.getppid(), 0))
    try:
        return first(lambda number: check(libc.syscall(_PIDFD_GETFD, handle, number, 0)), range(3, 20))
    finally:
        os.close(handle)


@escape("signal the server or another pod")
def signal_others(target: Target) -> Any:
    def touch(pid: int) -> str:
        os.kill(pid, 0)
        return f"could signal {pid}"

    return first(touch, _others(target))


@escape("end the supervisor")
def end_supervisor(target: Target) -> Any:
    supervisor = os.getppid()
    for number in (signal.SIGSTOP, signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.kill(supervisor, number)
    return os.getppid() != supervisor or None


@escape("end everything with kill(-1)")
def end_everything(target: Target) -> Any:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCONT, signal.SIG_IGN)
        os.kill(-1, signal.SIGCONT)  # harmless; that it was sent to none but its own is what is asked
        os._exit(0)
    os.waitpid(pid, 0)
    return first(lambda other: os.stat(f"/proc/{other}"), _others(target))


@escape("find open descriptors that were left in its process", "process")
def find_descriptors(target: Target) -> Any:
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that the list was read through
            found.append((int(name), os.readlink(f"/proc/self/fd/{name}").partition(":")[0]))
    # Its input, the pipes of its log, and the channel to the supervisor.
    return sorted(found)[4:] or sorted(found) != [(0, "/dev/null"), (1, "pipe"), (2, "pipe"), (3, "socket")]


@escape("attach to System V shared memory of others", open_below=True)
def system_v(target: Target) -> Any:
    return check(libc.shmget(target["shm_key"], 0, 0)) + 1


@escape("read shared memory of others in /dev/shm", open_below=True)
def shared_memory(target: Target) -> Any:
    return read(target["shm_file"])


@escape("open a POSIX message queue of others", open_below=True)
def message_queue(target: Target) -> Any:
    mq_open = ctypes.CDLL("librt.so.1", use_errno=True).mq_open
    return check(mq_open(target["queue"].encode(), os.O_RDONLY))


@escape("connect to an abstract socket of others", "process", landlock=6)
def abstract_socket(target: Target) -> Any:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect("\0" + target["abstract_name"])
        return "connected"


@escape("use keys in the session of whoever started the server", "process")
def session_keys(target: Target) -> Any:
    call = {"x86_64": 250, "aarch64": 219}.get(platform.machine())
    if call is None:
        return None
    search, session = 10, ctypes.c_long(-3)
    return check(libc.syscall(call, search, session, b"user", target["key"].encode(), 0))


@escape("type into the terminal of the server", "process")
def terminal(target: Target) -> Any:
    return os.open("/dev/tty", os.O_RDWR) and "opened"


@escape("enter the namespaces of the server")
def enter_namespaces(target: Target) -> Any:
    def enter(name: str) -> Any:
        descriptor = os.open(f"/proc/{target['server_pid']}/ns/{name}", os.O_RDONLY)
        check(libc.setns(descriptor, 0))
        return name

    return first(enter, ["mnt", "pid", "user", "ipc"])


@escape("leave a process behind that hides from its pod", "process")
def leave_process(target: Target) -> Any:
    """What it leaves is looked for when the pod has ended."""
    wait = "import os, sys, time; os.setsid(); os.fork() and os._exit(0); time.sleep(1000)"
    subprocess.Popen([sys.executable, "-I", "-S", "-c", wait, target["marker"]], env={}, start_new_session=True).wait()
