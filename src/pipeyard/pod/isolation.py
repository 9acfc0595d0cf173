"""Puts a process into namespaces and a root of its own, as root or as an ordinary user, by the same path.

place = Place(binds=[Bind(...)], ...)
prepared = leave(place)     # as before; then in new user, mount and ipc namespaces; the next child is pid 1
pid = os.fork()             # the child is pid 1 of the pod
enter(place, prepared)      # in the child: only what `place` binds can be seen any more
"""

from __future__ import annotations

import errno
import glob
import os
import stat

from . import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

POD_UID = 1000  # the user inside a pod, whoever it is outside
NOBODY_UID = 65534

_SYSTEM_FOLDERS = ("/usr", "/etc", "/opt", "/sys", "/nix/store", "/run/systemd/resolve")
_SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
_DEVICE_LINKS = (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"))
# Where the new root is put together. What lies there stays reachable: it is copied before it is covered.
_SCAFFOLDS = ("/tmp", "/mnt", "/media")  # noqa: S108

_WHERE_TO_ALLOW = {
    errno.ENOSPC: " (see sysctl user.max_user_namespaces)",
    errno.EPERM: " (see sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; "
    "in a container, its seccomp profile)",
}


class Bind:
    """A file or folder of the machine that can be seen inside."""

    __slots__ = ("device", "source", "target", "writable")

    def __init__(self, source: str, target: str, writable: bool = False, device: bool = False) -> None:
        self.source = source
        self.target = target
        self.writable = writable
        self.device = device


class Place:
    """What can be seen inside: the system's programs read-only, `binds`, and nothing of `hidden`."""

    __slots__ = ("binds", "gpu_devices", "has_places", "hidden", "outside_uid", "shared_memory_max_bytes")

    def __init__(
        self,
        binds: list[Bind],
        hidden: Iterable[str] = (),
        gpu_devices: Iterable[str] = (),
        outside_uid: int = NOBODY_UID,
        shared_memory_max_bytes: int | None = None,
        has_places: bool = False,
    ) -> None:
        self.binds = binds
        self.hidden = [os.path.realpath(path) for path in hidden]
        self.gpu_devices = list(gpu_devices)  # no other GPU can be reached
        self.outside_uid = outside_uid  # whom root becomes; an ordinary user stays who it is
        self.shared_memory_max_bytes = shared_memory_max_bytes  # None: what the kernel gives, half of the memory
        self.has_places = has_places  # others will be made within its namespaces


class Prepared:
    """The mounts of a place, copied before the rights to reach them are given up."""

    __slots__ = ("trees",)

    def __init__(self, trees: list[tuple[int, Bind]] | None) -> None:
        self.trees = trees


class Outer:
    """Descriptors of the user and pid namespaces of a place, for one that is made within them."""

    __slots__ = ("pids", "users")

    def __init__(self, users: int, pids: int) -> None:
        self.users = users
        self.pids = pids


def leave(place: Place, outer: Outer | None = None) -> Prepared:
    """Give up root and enter new namespaces. Raises OSError that names the call which the machine refuses.

    With `outer` it returns in a child of the process that called.
    """
    trees = None
    if os.geteuid() == 0:
        # Root can reach what the pod's user cannot (interpreters under /root): copy the mounts while it still is root.
        trees = _clone_trees(place)
        _become(place.outside_uid)
    if outer is not None:
        _go_into(outer)
    uid, gid = os.geteuid(), os.getegid()
    try:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}{_WHERE_TO_ALLOW.get(error.errno or 0, '')}") from None
    kernel.write("/proc/self/setgroups", "deny")
    kernel.write("/proc/self/uid_map", f"{POD_UID} {uid} 1")
    kernel.write("/proc/self/gid_map", f"{POD_UID} {gid} 1")
    return Prepared(trees)


def enter(place: Place, prepared: Prepared) -> None:
    """As pid 1: put the new root together and move into it."""
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    trees = _clone_trees(place) if prepared.trees is None else prepared.trees
    root = next(path for path in _SCAFFOLDS if os.path.isdir(path))
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=4m")
    for path in _SYSTEM_LINKS:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
    for folder in ("/dev", "/proc", "/run", "/tmp", "/var"):  # noqa: S108
        os.makedirs(root + folder, exist_ok=True)
    system_count = len(trees) - len(place.binds)
    for descriptor, bind in trees[:system_count]:
        _attach(descriptor, bind, root)
    _hide(root, place.hidden)  # now: what is bound next may come from a hidden folder
    for descriptor, bind in trees[system_count:]:
        _attach(descriptor, bind, root)
    for name, target in _DEVICE_LINKS:
        os.symlink(target, f"{root}/dev/{name}")
    shared_memory = root + "/dev/shm"  # noqa: S108
    os.mkdir(shared_memory)
    size = f",size={place.shared_memory_max_bytes}" if place.shared_memory_max_bytes else ""
    kernel.mount("tmpfs", shared_memory, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"mode=1777{size}")
    kernel.mount("proc", f"{root}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.pivot_root(root)
    kernel.make_read_only("/")
    if not place.has_places:
        # In a namespace of its own user code would have the rights to try the kernel's rarer calls. Nobody in here has
        # any more, once the capabilities of this process are given up.
        kernel.write("/proc/sys/user/max_user_namespaces", "0")


def interpreter_binds(image: str) -> list[Bind]:
    """What an interpreter of a virtual environment needs at its own path: the installation that it was made from."""
    python = os.path.join(image, "bin", "python")
    prefixes = {os.path.dirname(os.path.dirname(os.path.realpath(python)))}
    link = python
    while os.path.islink(link):  # each hop may be spelled by way of a link of its own
        link = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
        prefixes.add(os.path.dirname(os.path.dirname(link)))
    prefixes.add(os.path.dirname(_home_of(image) or python))
    prefixes.discard(os.path.normpath(image))
    return [Bind(prefix, prefix) for prefix in sorted(prefixes) if not is_system(prefix)]


def _home_of(image: str) -> str | None:
    try:
        with open(os.path.join(image, "pyvenv.cfg"), encoding="utf-8") as lines:
            for line in lines:
                name, _, value = line.partition("=")
                if name.strip() == "home":
                    return value.strip()
    except OSError:
        pass
    return None


def is_system(path: str) -> bool:
    """Whether it can be seen in every place."""
    return path == "/" or any(path == folder or path.startswith(folder + "/") for folder in _SYSTEM_FOLDERS)


def _system_binds(gpu_devices: list[str]) -> list[Bind]:
    folders = [path for path in _SYSTEM_FOLDERS if os.path.isdir(path)]
    folders += [path for path in _SYSTEM_LINKS if os.path.isdir(path) and not os.path.islink(path)]
    devices = [path for path in _DEVICES if os.path.exists(path)]
    if gpu_devices:
        shared = [path for path in glob.glob("/dev/nvidia*") if not path[len("/dev/nvidia") :].isdigit()]
        devices += shared + [path for path in gpu_devices if os.path.exists(path)]
    return [Bind(path, path) for path in folders] + [Bind(path, path, True, True) for path in devices]


def _clone_trees(place: Place) -> list[tuple[int, Bind]]:
    return [
        (kernel.clone_tree(bind.source, read_only=not bind.writable, devices=bind.device), bind)
        for bind in _system_binds(place.gpu_devices) + place.binds
    ]


def _attach(descriptor: int, bind: Bind, root: str) -> None:
    target = root + bind.target
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))
    kernel.attach_tree(descriptor, target)
    os.close(descriptor)


def _hide(root: str, paths: Iterable[str]) -> None:
    for path in paths:
        if os.path.isdir(root + path):
            kernel.mount("tmpfs", root + path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=64k")


def _go_into(outer: Outer) -> None:
    kernel.enter_namespace(outer.users, kernel.CLONE_NEWUSER)  # first: it gives the right to the other
    kernel.enter_namespace(outer.pids, kernel.CLONE_NEWPID)
    for descriptor in (outer.users, outer.pids):
        os.close(descriptor)
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)  # nobody else would
        os._exit(0)


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.set_dumpable(True)  # or /proc/self would still belong to root
