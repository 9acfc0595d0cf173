"""The Linux calls that a pod needs and the standard library lacks."""

from __future__ import annotations

import ctypes
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 2

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

_SYS_KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1
# These numbers are the same on every architecture.
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_SYS_LANDLOCK_CREATE_RULESET, _SYS_LANDLOCK_RESTRICT_SELF = 444, 446
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 4
_LANDLOCK_VERSION, _LANDLOCK_SCOPE_ABI = 1, 6
_LANDLOCK_SCOPE_ABSTRACT_SOCKETS, _LANDLOCK_SCOPE_SIGNALS = 1, 2
_CAPABILITY_VERSION = 0x20080522
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 2, 19
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV = 1, 2, 4


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prctl(option: int, value: int, what: str) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), what)


def set_dumpable(dumpable: bool) -> None:
    """Whether processes of the same user may trace this one and read its memory and descriptors."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable), "PR_SET_DUMPABLE")


def set_no_new_privileges() -> None:
    """From now on no exec gains rights: set-user-id programs run without their privilege."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")


def filter_calls(program: bytes) -> None:
    """Let a `struct sock_fprog` decide on each call of this process, and of all that comes from it."""
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0), "PR_SET_SECCOMP")


def keep_capabilities(kept: tuple[int, ...]) -> None:
    """Give up all others, for good: what is executed afterwards by an ordinary user has none."""
    mask = sum(1 << number for number in kept)
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    low = struct.pack("III", mask, mask, 0)  # effective, permitted, inheritable; then the same for numbers from 32
    _check(_libc.capset(header, low + bytes(12)), "capset")


def landlock_version() -> int:
    """The version of Landlock that this kernel has; 0 for none."""
    return max(0, int(_libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)))


def keep_in_own_scope() -> None:
    """From now on signals and abstract sockets reach only what this process starts, where the kernel can do that.

    Needs `set_no_new_privileges`. Tracing others, and reading their memory, is refused too.
    """
    if landlock_version() < _LANDLOCK_SCOPE_ABI:
        return
    scopes = _LANDLOCK_SCOPE_ABSTRACT_SOCKETS | _LANDLOCK_SCOPE_SIGNALS
    attributes = struct.pack("QQQ", 0, 0, scopes)  # struct landlock_ruleset_attr: files, network, scopes
    create = (_SYS_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    descriptor = _check(_libc.syscall(*create), "landlock_create_ruleset")
    try:
        _check(_libc.syscall(_SYS_LANDLOCK_RESTRICT_SELF, descriptor, 0), "landlock_restrict_self")
    finally:
        os.close(descriptor)


def leave_session_keyring() -> None:
    """Keys that whoever started this process has in its session are out of reach from now on.

    Raises OSError where no key may be added; does nothing on processors whose number of the call is not known here.
    """
    call = _SYS_KEYCTL.get(os.uname().machine)
    if call is not None:
        _check(_libc.syscall(call, _KEYCTL_JOIN_SESSION_KEYRING, None), "keyctl")


def set_parent_death_signal(number: int) -> None:
    """The signal that this process gets when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, number, "PR_SET_PDEATHSIG")


def set_child_subreaper() -> None:
    """Orphans among the descendants become children of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")


def unshare(flags: int) -> None:
    """Leave the namespaces of the parent for new ones (`os.unshare` exists from Python 3.12)."""
    _check(_libc.unshare(flags), "unshare")


def enter_namespace(descriptor: int, kind: int) -> None:
    """Move into a namespace that exists (`os.setns` exists from Python 3.12). Of pids: the children to come."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    encoded = kind.encode() if kind else None
    result = _libc.mount(source.encode(), os.fsencode(target), encoded, ctypes.c_ulong(flags), options.encode() or None)
    _check(result, f"mount {kind or source} on {target}")


def clone_tree(path: str, *, read_only: bool, devices: bool) -> int:
    """A descriptor of a private copy of all mounts at `path`, to be attached with `attach_tree`."""
    what = f"open_tree {path}"
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    descriptor = _check(_libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), what)
    attributes = _MOUNT_ATTR_NOSUID
    attributes |= _MOUNT_ATTR_RDONLY if read_only else 0
    attributes |= 0 if devices else _MOUNT_ATTR_NODEV
    _set_attributes(descriptor, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, attributes)
    return descriptor


def attach_tree(descriptor: int, target: str) -> None:
    """Mount at `target` what `clone_tree` copied."""
    call = (_SYS_MOVE_MOUNT, descriptor, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    _check(_libc.syscall(*call), f"move_mount {target}")


def make_read_only(path: str) -> None:
    """Make the one mount at `path` read-only, not those below it."""
    _set_attributes(_AT_FDCWD, os.fsencode(path), 0, _MOUNT_ATTR_RDONLY)


def _set_attributes(descriptor: int, path: bytes, flags: int, attributes: int) -> None:
    arguments = struct.pack(
        "QQQQ", attributes, 0, MS_PRIVATE, 0
    )  # struct mount_attr: set, clear, propagation, userns_fd
    result = _libc.syscall(_SYS_MOUNT_SETATTR, descriptor, path, flags, arguments, len(arguments))
    _check(result, "mount_setattr (Linux 5.12 or later)")


def pivot_root(new_root: str) -> None:
    """Make `new_root` the root of this mount namespace and forget the old one."""
    os.chdir(new_root)
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/")


def write(path: str, text: str) -> None:
    """Give a value to a file of the kernel, in one write."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
