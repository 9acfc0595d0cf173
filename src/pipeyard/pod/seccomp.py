"""Refuses the calls of the kernel that build places, to a process and all that comes from it, whatever rights it gets.

A worker that is forked from a zygote has to enter the namespaces of its pod by itself, and has all rights over them for
that moment. The packages that the zygote has imported share its memory. With this filter there is nothing that such
rights are good for: no mount, no other root, no namespace of its own.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from . import kernel

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _IF_EQUAL, _IF_ANY_BIT, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # in struct seccomp_data, on little-endian processors
_X32 = 0x40000000  # calls of a second numbering on x86_64

_NAMESPACES = 0x7E020000  # all CLONE_NEW* but CLONE_NEWTIME, whose bit belongs to the exit signal in clone(2)
_NEW_TIME = 0x80
# These numbers are the same on every architecture: open_tree, move_mount, fsopen, fsconfig, fsmount, fspick,
# mount_setattr, open_tree_attr.
_COMMON = (428, 429, 430, 431, 432, 433, 442, 467)
_CLONE3 = 435


class _Numbers:
    __slots__ = ("architecture", "clone", "refused", "unshare")

    def __init__(self, architecture: int, clone: int, unshare: int, refused: tuple[int, ...]) -> None:
        self.architecture = architecture
        self.clone = clone
        self.unshare = unshare
        self.refused = refused + _COMMON


# refused: mount, umount2, pivot_root, chroot, open_by_handle_at
_NUMBERS = {
    "x86_64": _Numbers(0xC000003E, 56, 272, (165, 166, 155, 161, 304)),
    "aarch64": _Numbers(0xC00000B7, 220, 97, (40, 39, 41, 51, 265)),
}


def is_known_here() -> bool:
    """Whether this processor's numbers of the calls are known, and the kernel has such filters."""
    return os.uname().machine in _NUMBERS and os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


def refuse_building_places() -> None:
    """From now on, for good. Needs `kernel.set_no_new_privileges`. Raises OSError."""
    program = b"".join(_program(_NUMBERS[os.uname().machine]))
    buffer = ctypes.create_string_buffer(program, len(program))
    kernel.filter_calls(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))


def _program(numbers: _Numbers) -> list[bytes]:
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_IF_EQUAL, numbers.architecture, skip_if=1),
        refuse,
        _step(_LOAD, _NUMBER_AT),
        _step(_IF_AT_LEAST, _X32, skip_else=1),
        refuse,
    ]
    for number in numbers.refused:
        steps += [_step(_IF_EQUAL, number, skip_else=1), refuse]
    # Its flags are in memory, where a filter cannot look. The C library takes clone(2) instead.
    steps += [_step(_IF_EQUAL, _CLONE3, skip_else=1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for number, flags in ((numbers.clone, _NAMESPACES), (numbers.unshare, _NAMESPACES | _NEW_TIME)):
        steps += [
            _step(_IF_EQUAL, number, skip_else=4),
            _step(_LOAD, _FIRST_ARGUMENT_AT),
            _step(_IF_ANY_BIT, flags, skip_else=1),
            refuse,
            _step(_RETURN, _ALLOW),
        ]
    return [*steps, _step(_RETURN, _ALLOW)]


def _step(code: int, value: int, skip_if: int = 0, skip_else: int = 0) -> bytes:
    return struct.pack("HBBI", code, skip_if, skip_else, value)
