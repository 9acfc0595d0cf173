"""Reading and writing what is not the pod's own."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import Any

from .table import Target, check, escape, first, libc, read


def _plant(folder: str) -> str:
    path = os.path.join(folder, "planted-by-the-red-team")
    with open(path, "w") as file:
        file.write("planted")
    os.unlink(path)
    return path


@escape("read the database of the platform", open_below=True)
def read_database(target: Target) -> Any:
    return read(f"{target['data_dir']}/pipeyard.db")


@escape("read the keys of the platform", open_below=True)
def read_keys(target: Target) -> Any:
    return read(f"{target['data_dir']}/keys/encryption.key")


@escape("read credentials.env", open_below=True)
def read_credentials(target: Target) -> Any:
    return read(f"{target['data_dir']}/credentials.env")


@escape("read the logs of all executions", open_below=True)
def read_logs(target: Target) -> Any:
    return read(f"{target['data_dir']}/logs.db")


@escape("read the code of other pipelines", open_below=True)
def list_code(target: Target) -> Any:
    return os.listdir(f"{target['data_dir']}/code")


@escape("write to the code of other pipelines", open_below=True)
def write_code(target: Target) -> Any:
    return _plant(f"{target['data_dir']}/code")


@escape("read the files of another pod", open_below=True)
def read_neighbour(target: Target) -> Any:
    return read(f"{target['data_dir']}/pods/{target['neighbour_pod']}/files/work/note.txt")


@escape("read the files of another pod through /proc/PID/root")
def read_through_proc(target: Target) -> Any:
    roots = ("neighbour_worker_pid", "neighbour_pid", "server_pid")
    return first(lambda name: os.listdir(f"/proc/{target[name]}/root/{target['data_dir']}"), roots)


@escape("connect to the socket of a supervisor", open_below=True)
def connect_to_supervisor(target: Target) -> Any:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(f"{target['data_dir']}/pods/{target['neighbour_pod']}/control.sock")
        return "connected"


@escape("rewrite what the supervisor notes about a pod", open_below=True)
def rewrite_notes(target: Target) -> Any:
    with open(f"{target['data_dir']}/pods/{target['neighbour_pod']}/exit.json", "r+b"):
        return "opened for writing"


@escape("read what others have in /tmp and /var/tmp", open_below=True)
def read_tmp(target: Target) -> Any:
    return first(read, target["machine_files"])


@escape("connect to a socket in the machine's /tmp", open_below=True)
def connect_in_tmp(target: Target) -> Any:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(target["machine_socket"])
        return "connected"


@escape("look into the homes of the machine's users", open_below=True)
def read_homes(target: Target) -> Any:
    own = {"pipeyard", *sys.base_prefix.split("/")}  # the interpreter may have been installed in one
    return first(lambda home: set(os.listdir(home)) - own, ["/home", "/root", target["server_home"]])


@escape("open a socket of the machine's services in /run", "namespaces")
def open_run(target: Target) -> Any:
    return {name for _, _, names in os.walk("/run") for name in names if name.endswith(".sock")}


@escape("climb above the root folder")
def climb(target: Target) -> Any:
    above = "../" * 40 + target["data_dir"].lstrip("/")
    return first(lambda start: os.listdir(f"{start}/{above}"), ["/work", "/proc/self/root", "/proc/self/cwd", "/image"])


@escape("open a file of the machine by its handle")
def open_by_handle(target: Target) -> Any:
    # The root of ext4 is inode 2: 8 bytes of handle, type 1.
    handle = (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(4)
    folder = os.open(".", os.O_RDONLY)
    try:
        return check(libc.open_by_handle_at(folder, ctypes.c_char_p(handle), os.O_RDONLY))
    finally:
        os.close(folder)


@escape("write to the system's programs and settings")
def write_system(target: Target) -> Any:
    return first(_plant, ["/", "/usr", "/usr/bin", "/etc", "/opt", "/lib", "/sys", sys.base_prefix])


@escape("write to the image that pipelines share", open_below=True)
def write_image(target: Target) -> Any:
    return first(_plant, [sys.prefix, os.path.dirname(os.__file__), f"{sys.prefix}/bin", f"{sys.prefix}/lib"])


@escape("write to the program that the supervisor runs", open_below=True)
def write_program(target: Target) -> Any:
    return first(_plant, [sys.path[-1], f"{sys.path[-1]}/pipeyard_pod", "/pod"])


@escape("make read-only files writable by chmod or by a link")
def chmod_system(target: Target) -> Any:
    def try_on(path: str) -> Any:
        os.chmod(path, 0o777)
        return path

    def link(path: str) -> Any:
        os.link(path, "linked")
        return path

    system = ["/etc/passwd", "/usr/bin/env"]
    return first(try_on, [*system, sys.executable]) or first(link, [*system, f"{target['data_dir']}/credentials.env"])
