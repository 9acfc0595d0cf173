"""Taking more than the pod may have, so that others have less."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from typing import Any

from .table import Target, escape

_MEBIBYTE = 1024**2


@escape("a fork bomb", "process")
def fork_bomb(target: Target) -> Any:
    # Without namespaces the kernel counts all of this user: what others give back meanwhile can be had too.
    wanted, children = 2 * target["processes_max"], []
    try:
        while len(children) < wanted:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    except OSError:
        pass  # no more
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(children) if len(children) == wanted else None


@escape("one huge file", "process")
def huge_file(target: Target) -> Any:
    with open("huge", "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, 2 * target["disk_max_bytes"])
        except OSError:
            file.truncate(2 * target["disk_max_bytes"])
        return os.fstat(file.fileno()).st_size


@escape("more descriptors than it may have", "process")
def many_descriptors(target: Target) -> Any:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = []
    with contextlib.suppress(OSError):
        while len(opened) <= most:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    for descriptor in opened:
        os.close(descriptor)
    return len(opened) if len(opened) >= most else None


@escape("a core dump", "process")
def core_dump(target: Target) -> Any:
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(ValueError, OSError):
            _, hard = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGABRT)
    _, status = os.waitpid(pid, 0)
    return os.WCOREDUMP(status) or [name for name in os.listdir(".") if name.startswith("core")]


@escape("a tree of folders that cannot be removed", "process")
def stubborn_folders(target: Target) -> Any:
    """What it leaves is looked for when the pod has ended."""
    start = os.getcwd()
    os.makedirs("closed/inside")
    os.chmod("closed", 0)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(start)


@escape("filling the disk", "process", ends_with="out_of_disk")
def fill_disk(target: Target) -> Any:
    block = bytes(_MEBIBYTE)
    for number in range(2 * target["disk_max_bytes"] // _MEBIBYTE // 8):
        with open(f"full-{number}", "wb") as file:
            for _ in range(8):
                file.write(block)
    time.sleep(5)
    return "filled"


@escape("filling the disk with files that it deletes and keeps open", "process", ends_with="out_of_disk")
def fill_with_deleted(target: Target) -> Any:
    kept = []
    for number in range(2 * target["disk_max_bytes"] // _MEBIBYTE // 8):
        kept.append(open(f"deleted-{number}", "wb"))  # noqa: SIM115
        os.unlink(f"deleted-{number}")
        kept[-1].write(bytes(8 * _MEBIBYTE))
    time.sleep(5)
    return "filled"


@escape("all memory of the machine", "process", ends_with="out_of_memory")
def fill_memory(target: Target) -> Any:
    hoard = bytearray(2 * target["memory_max_bytes"])
    time.sleep(5)
    return len(hoard)


@escape("memory in /dev/shm beyond the limit")
def fill_shared_memory(target: Target) -> Any:
    status = os.statvfs("/dev/shm")
    size_bytes = status.f_blocks * status.f_frsize
    return size_bytes if size_bytes > target["memory_max_bytes"] else None
