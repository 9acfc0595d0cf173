"""A server behind `shim.c`: what it does to its data folder is recorded, and a chosen call of it fails."""

from __future__ import annotations

import errno
import json
import mmap
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path
from typing import Any

from tests.platforms import Platform

_HEAD = struct.Struct("=cqqII")  # as in shim.c
_ORDER = struct.Struct("=iiqqq")
ACKNOWLEDGED = "a"  # no call: what a caller was told


class Kind(IntFlag):
    """Calls that can fail, as in shim.c: all but the last two inside of the data folder alone."""

    WRITE = 1
    SYNC = 2
    NAME = 4
    READ = 8
    DESCRIPTOR = 16
    FORK = 32


FAULTS = {
    "ENOSPC": (errno.ENOSPC, Kind.WRITE | Kind.NAME),
    "EIO": (errno.EIO, Kind.WRITE | Kind.SYNC | Kind.NAME | Kind.READ),
    "EMFILE": (errno.EMFILE, Kind.DESCRIPTOR),
    "EAGAIN": (errno.EAGAIN, Kind.FORK),
}


@dataclass(frozen=True)
class Record:
    """One call that succeeded (or a sync that failed), and where its record ends."""

    kind: str
    inode: int
    offset: int
    path: str
    data: bytes
    end: int


def can_build() -> bool:
    """Whether this machine has a C compiler."""
    return shutil.which("gcc") is not None


def build(folder: Path) -> Path:
    """The shim, as a library that can be loaded before others."""
    built = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", built, source, "-ldl", "-lpthread"], check=True)
    return built


class ShimmedPlatform(Platform):
    """A platform whose server is behind the shim; what it starts is not."""

    def __init__(self, folder: Path, *, is_recorded: bool = False, **settings: object) -> None:
        super().__init__(folder, **settings)
        self.record, self._order = folder / "record", folder / "order"
        folder.mkdir(exist_ok=True)
        self._order.write_bytes(bytes(_ORDER.size))
        self._settings |= {
            "LD_PRELOAD": str(build(folder)),
            "SHIM_ROOT": str(self.data_dir),
            "SHIM_ORDER": str(self._order),
            "SHIM_RECORD": str(self.record) if is_recorded else "",
        }

    def acknowledge(self, **news: Any) -> None:
        """Note what a caller was told, after all that was recorded before."""
        text = json.dumps(news).encode()
        with self.record.open("ab", buffering=0) as file:
            file.write(_HEAD.pack(ACKNOWLEDGED.encode(), 0, 0, 0, len(text)) + text)

    def order(self, fault: str, number: int, *, is_lasting: bool = False) -> None:
        """Have the call of that number fail, counted from now on; and, if lasting, all of its kinds behind it."""
        code, kinds = FAULTS[fault]
        self._change(kinds, code, number, 0, int(is_lasting))

    def relax(self) -> int:
        """Nothing fails any more. How often something did."""
        with self._order.open("r+b") as file, mmap.mmap(file.fileno(), _ORDER.size) as order:
            fired: int = _ORDER.unpack_from(order)[3]
            _ORDER.pack_into(order, 0, 0, 0, 0, 0, 0)
        return fired

    def _change(self, *values: int) -> None:
        with self._order.open("r+b") as file, mmap.mmap(file.fileno(), _ORDER.size) as order:
            _ORDER.pack_into(order, 0, *values)


def read_records(file: Path) -> Iterator[Record]:
    """In their order."""
    content = file.read_bytes()
    at = 0
    while at < len(content):
        kind, inode, offset, path_length, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        path, data = content[at : at + path_length], content[at + path_length : at + path_length + length]
        at += path_length + length
        yield Record(kind.decode(), inode, offset, path.decode(), data, at)
