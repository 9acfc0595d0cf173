"""Gaining rights: mounts, namespaces, set-user-id programs, devices, settings of the kernel."""

from __future__ import annotations

import ctypes
import os
import resource
import stat
import subprocess
import sys
import time
from typing import Any

from .table import Target, check, escape, first, libc

_NEW = {"mount": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "network": 0x40000000}
_NEW_USER, _NEW_CGROUP = 0x10000000, 0x2000000
_REMOUNT, _BIND, _RECURSIVE = 32, 4096, 16384
_GET_NO_NEW_PRIVILEGES = 39


def _open_for_writing(path: str) -> Any:
    os.close(os.open(path, os.O_WRONLY))
    return path


@escape("mount a file system", "process")
def mount(target: Target) -> Any:
    os.makedirs("mounted", exist_ok=True)

    def try_one(kind: bytes) -> Any:
        check(libc.mount(b"none", b"mounted", kind, 0, None))
        return kind

    return first(try_one, [b"tmpfs", b"proc", b"sysfs", b"cgroup2", b"overlay", b"debugfs"])


@escape("make the system writable by mounting it again", "process")
def remount(target: Target) -> Any:
    def try_one(path: bytes) -> Any:
        check(libc.mount(b"none", path, None, _REMOUNT | _BIND, None))
        return path

    return first(try_one, [b"/", b"/usr", b"/etc", b"/image", b"/sys"])


@escape("uncover what is below a mount", "process")
def unmount(target: Target) -> Any:
    def try_one(path: bytes) -> Any:
        check(libc.umount2(path, 2))
        return path

    return first(try_one, [b"/work", b"/tmp", b"/proc", b"/usr", b"/dev/shm"])


@escape("make a user namespace of its own, and be root there")
def new_user_namespace(target: Target) -> Any:
    return _in_child(lambda: check(libc.unshare(_NEW_USER)))


@escape("make other namespaces of its own", "process")
def new_namespaces(target: Target) -> Any:
    return [name for name, flag in _NEW.items() if _in_child(lambda flag=flag: check(libc.unshare(flag)))]


def _in_child(attempt: Any) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@escape("change its root folder", "process")
def change_root(target: Target) -> Any:
    return _in_child(lambda: os.chroot("/work" if os.path.isdir("/work") else "."))


@escape("become another user", "process")
def become(target: Target) -> Any:
    return [call for call in ("setuid", "setgid") if _in_child(lambda call=call: getattr(os, call)(0))]


@escape("run a set-user-id program with its rights", "process")
def set_user_id(target: Target) -> Any:
    gained = libc.prctl(_GET_NO_NEW_PRIVILEGES, 0, 0, 0, 0) != 1
    for folder in ("/usr/bin", "/bin", "/usr/sbin"):
        for entry in os.scandir(folder):
            if gained or (entry.is_file() and entry.stat().st_mode & stat.S_ISUID and _runs_as_another(entry.path)):
                return entry.path
    return None


def _runs_as_another(program: str) -> bool:
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
        try:
            with open(f"/proc/{it.pid}/status") as lines:
                uids = next(line.split()[1:] for line in lines if line.startswith("Uid:"))
        except (OSError, StopIteration):
            return False
        finally:
            it.kill()
    return len(set(uids)) > 1


@escape("give a program capabilities, or a set-user-id bit that works", "process")
def give_capabilities(target: Target) -> Any:
    with open("program", "wb") as file:
        file.write(b"#!/bin/sh\n")
    everything = bytes([1, 0, 0, 2]) + b"\xff" * 16
    os.setxattr("program", "security.capability", everything)
    return "set"


@escape("make a device, and read the disk through it", "process")
def make_device(target: Target) -> Any:
    os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))
    return "made"


@escape("read the memory of the machine, its disks, its kernel's log", "process")
def open_devices(target: Target) -> Any:
    places = ["/dev/mem", "/dev/kmem", "/dev/port", "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/kmsg", "/proc/kcore"]
    return first(lambda path: os.open(path, os.O_RDONLY), places)


@escape("change settings of the kernel", "process")
def kernel_settings(target: Target) -> Any:
    names = ("kernel/core_pattern", "kernel/modprobe", "vm/overcommit_memory", "kernel/randomize_va_space")
    names += ("user/max_user_namespaces", "net/ipv4/ip_forward", "fs/file-max")
    places = [*(f"/proc/sys/{name}" for name in names), "/proc/sysrq-trigger", "/sys/power/state"]
    return first(_open_for_writing, places)


@escape("set the clock or the name of the machine", "process")
def clock(target: Target) -> Any:
    def set_clock() -> Any:
        time.clock_settime(time.CLOCK_REALTIME, time.time())
        return "the clock"

    def set_name() -> Any:
        name = os.uname().nodename.encode()
        check(libc.sethostname(ctypes.c_char_p(name), len(name)))
        return "the name"

    return first(lambda attempt: attempt(), [set_clock, set_name])


@escape("raise its own limits", "process")
def raise_limits(target: Target) -> Any:
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        try:
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (ValueError, OSError):
            continue
        return kind
    return None


@escape("be spared when memory runs out, or go before all others", "process")
def precedence(target: Target) -> Any:
    def spare() -> Any:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-500")
        return "spared"

    def real_time() -> Any:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
        return "real time"

    return first(lambda attempt: attempt(), [spare, real_time, lambda: os.nice(-10) < 0])


@escape("leave its cgroups, or change their limits", "process")
def leave_cgroups(target: Target) -> Any:
    root = "/sys/fs/cgroup"
    names = ("cgroup.procs", "memory.max", "pids.max", "memory.limit_in_bytes", "release_agent")
    found = [os.path.join(folder, name) for folder, _, files in os.walk(root) for name in files if name in names]
    return first(_open_for_writing, found)


@escape("load code into the kernel", "process")
def load_code(target: Target) -> Any:
    bpf = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine)
    if bpf is None:
        return None
    # BPF_PROG_LOAD of "return 0", as a filter of sockets with a licence: refused before it is looked at.
    program = ctypes.create_string_buffer(bytes([0xB7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]))
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = (ctypes.c_uint64 * 16)(5 | 2 << 32, ctypes.addressof(program), ctypes.addressof(licence))
    return check(libc.syscall(bpf, 5, attributes, 128))


@escape("have the machine run a program of its own", "process")
def run_outside(target: Target) -> Any:
    folders = ["/etc/cron.d", "/etc/profile.d", "/etc/systemd/system", "/usr/lib/systemd/system", "/etc/ld.so.preload"]
    return first(_open_for_writing, [os.path.join(folder, "x") for folder in folders] + [sys.base_prefix])
