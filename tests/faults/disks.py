"""A disk that loses power: what was synced is there, of all else a random part, torn at sectors.

The model promises as little as POSIX: a synced file is not yet named, a name is there once its folder was synced. Only
a rename is atomic, as in any file system with a journal. After a sync that failed, a later one makes nothing durable
of what the failed one should have written.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.shims import Record

BLOCK_BYTES, SECTOR_BYTES = 4096, 512


@dataclass
class _Change:
    """Of a file: data at an offset, or (None) its length."""

    offset: int
    data: bytes | None
    end: int  # of its record
    is_doomed: bool = False


@dataclass(eq=False)
class File:
    """What is durable of it, and what may be."""

    content: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)

    def sync(self, since: int) -> None:
        """What was done before `since` is durable."""
        for change in [one for one in self.pending if one.end <= since and not one.is_doomed]:
            self.pending.remove(change)
            _apply(self.content, change)
            self.pending = [one for one in self.pending if not (one.is_doomed and _overlap(one, change))]

    def doom(self, since: int) -> None:
        """A sync failed: nobody makes this durable any more."""
        for change in self.pending:
            change.is_doomed = change.is_doomed or change.end <= since

    def after_power_loss(self, chance: random.Random) -> bytes:
        """The content that is found."""
        found = bytearray(self.content)
        for change in self.pending:
            for part in _torn(change, chance):
                _apply(found, part)
        return bytes(found)


@dataclass(eq=False)
class Folder:
    """Its names as programs see them, and as they are on the disk."""

    seen: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)


@dataclass(eq=False)
class _Naming:
    """Names that change together."""

    changes: list[tuple[Folder, str, File | Folder | None]]
    end: int


class Disk:
    """Follows the records of a data folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.top = Folder()
        self._files: dict[int, File] = {}  # by inode, as long as it is the same file
        self._namings: list[_Naming] = []

    def follow(self, record: Record) -> None:
        """The next record."""
        if record.kind == "c":
            self._files[record.inode] = File()
            self._name(record, [(record.path, self._files[record.inode])])
        elif record.kind == "m":
            self._name(record, [(record.path, Folder())])
        elif record.kind == "u":
            self._name(record, [(record.path, None)])
        elif record.kind == "l":
            self._name(record, [(record.data.decode(), self._at(record.path))])
        elif record.kind == "r":
            self._name(record, [(record.path, None), (record.data.decode(), self._at(record.path))])
        elif record.kind in "wt":
            data = record.data if record.kind == "w" else None
            self._file(record).pending.append(_Change(record.offset, data, record.end))
        elif record.kind in "sx":
            self._sync(record)
        elif record.kind == "S":
            self._sync_all(record.offset)

    def write(self, target: Path, chance: random.Random) -> None:
        """What is found after a loss of power now."""
        kept = {id(naming) for naming in self._namings if chance.random() < 0.5}
        names: dict[Folder, dict[str, File | Folder]] = {}

        def of(folder: Folder) -> dict[str, File | Folder]:
            return names.setdefault(folder, dict(folder.durable))

        for naming in self._namings:
            if id(naming) in kept:
                for folder, name, node in naming.changes:
                    _set(of(folder), name, node)
        _write(target, self.top, of, chance)

    def _sync(self, record: Record) -> None:
        node = self._files.get(record.inode) if self._is_file(record) else self._at(record.path)
        if isinstance(node, File):
            node.doom(record.offset) if record.kind == "x" else node.sync(record.offset)
        elif isinstance(node, Folder) and record.kind == "s":
            self._settle(lambda one: one.end <= record.offset and any(node is folder for folder, *_ in one.changes))

    def _sync_all(self, since: int) -> None:
        for file in self._files.values():
            file.sync(since)
        self._settle(lambda one: one.end <= since)

    def _settle(self, is_durable: Callable[[_Naming], bool]) -> None:
        left = []
        for naming in self._namings:
            if is_durable(naming):
                for folder, name, node in naming.changes:
                    _set(folder.durable, name, node)
            else:
                left.append(naming)
        self._namings = left

    def _name(self, record: Record, names: list[tuple[str, File | Folder | None]]) -> None:
        changes = []
        for path, node in names:
            place = Path(path)
            folder = self._at(str(place.parent))
            if isinstance(folder, Folder):  # else: of a folder that was there before, or is not recorded
                _set(folder.seen, place.name, node)
                changes.append((folder, place.name, node))
        self._namings.append(_Naming(changes, record.end))

    def _is_file(self, record: Record) -> bool:
        return record.inode in self._files and not isinstance(self._at(record.path), Folder)

    def _file(self, record: Record) -> File:
        return self._files.setdefault(record.inode, File())

    def _at(self, path: str) -> File | Folder | None:
        node: File | Folder | None = self.top
        for name in Path(path).relative_to(self._root).parts:
            node = node.seen.get(name) if isinstance(node, Folder) else None
        return node


def _set(names: dict[str, File | Folder], name: str, node: File | Folder | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _write(
    target: Path, folder: Folder, of: Callable[[Folder], dict[str, File | Folder]], chance: random.Random
) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, node in of(folder).items():
        if isinstance(node, Folder):
            _write(target / name, node, of, chance)
        else:
            (target / name).write_bytes(node.after_power_loss(chance))


def _apply(content: bytearray, change: _Change) -> None:
    end = change.offset + len(change.data or b"")
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if change.data is None:
        del content[change.offset :]
    else:
        content[change.offset : end] = change.data


def _overlap(one: _Change, other: _Change) -> bool:
    if one.data is None or other.data is None:
        return True
    return one.offset < other.offset + len(other.data) and other.offset < one.offset + len(one.data)


def _torn(change: _Change, chance: random.Random) -> list[_Change]:
    """The parts that reach the disk: of each block all, nothing, or some sectors."""
    if change.data is None:
        return [change] if chance.random() < 0.5 else []
    parts = []
    for start in range(0, len(change.data), BLOCK_BYTES):
        block = change.data[start : start + BLOCK_BYTES]
        fate = chance.random()
        for at in range(0, len(block), SECTOR_BYTES):
            if fate < 0.4 or (fate > 0.8 and chance.random() < 0.5):
                parts.append(_Change(change.offset + start + at, block[at : at + SECTOR_BYTES], change.end))
    return parts
