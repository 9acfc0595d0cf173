"""A data folder as one archive, and back: streamed, secrets included, whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pipeyard
from pipeyard import clock
from pipeyard.durability import sync
from pipeyard.errors import ConflictError, InvalidInputError, NotFoundError

FORMAT = 1
STORE, LOGS = "pipeyard.db", "logs.db"
CODE, OBJECTS = "code", "data_store/objects"
_ABOUT, _STAGED = "backup.json", ".restoring"
_SECRETS = ("keys/signing.key", "keys/encryption.key", "credentials.env", "known_hosts")
_NEEDED = {_ABOUT, STORE, LOGS, "keys/signing.key", "keys/encryption.key"}
_SINGLE = _NEEDED | set(_SECRETS)
_CODE = re.compile(rf"{CODE}/[A-Za-z0-9_-]{{1,64}}/(code|tree)\.tgz")
_OBJECT = re.compile(rf"{OBJECTS}(/[^/\0]{{1,255}})+")
_FIELD = "FILE"
_CHUNK_BYTES = 1024 * 1024
_FAST = 1  # code is compressed already, and most objects are
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, RecursionError, gzip.BadGzipFile)


@dataclass
class BackUp:
    """One backup being written. `leave_out_deleted` gets the copy of the store and the store itself."""

    root: Path
    leave_out_deleted: Callable[[Path, Path], None]
    _files: int = field(default=0, init=False)
    _tar: tarfile.TarFile = field(init=False)

    def write(self, file: Path) -> int:
        """Write the archive, readable by its owner alone. How many files. Raises ConflictError when there is one.

        The store is copied first, then what it names: each of those was there before its row. What is deleted
        meanwhile is left out of the copy, which comes last.
        """
        _check_absent(file)
        if not (self.root / STORE).is_file():
            raise NotFoundError("platform", str(self.root), f"data_dir: there is no platform in {self.root}")
        with tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as place:
            work, partial = Path(place), Path(place) / "partial"
            with _create(partial) as target:
                with tarfile.open(fileobj=target, mode="w:gz", compresslevel=_FAST) as self._tar:
                    self._write(work)
                target.flush()
                os.fsync(target.fileno())
            _check_absent(file)  # it may have taken an hour
            partial.rename(file)
            sync(file.parent)
        return self._files

    def _write(self, work: Path) -> None:
        about = work / _ABOUT
        about.write_text(json.dumps({"format": FORMAT, "version": pipeyard.__version__, "at": _now()}))
        _copy_database(self.root / STORE, work / STORE)
        # After the store: an execution that has ended there has all its lines here.
        _copy_database(self.root / LOGS, work / LOGS)
        self._add(about, _ABOUT)
        for name in _SECRETS:
            self._add(self.root / name, name)
        for folder in _entries(self.root / CODE):
            self._add_code(folder, work / "tree.tgz")
        for path in _files(self.root / OBJECTS):
            self._add(path, path.relative_to(self.root).as_posix())
        self._add(work / LOGS, LOGS)
        self.leave_out_deleted(work / STORE, self.root / STORE)
        self._add(work / STORE, STORE)

    def _add_code(self, folder: Path, tree: Path) -> None:
        """The archive that was sent; the unpacked code of a pipeline that has none."""
        name = f"{CODE}/{folder.name}"
        if self._add(folder / "code.tgz", f"{name}/code.tgz"):
            return
        with tarfile.open(tree, "w:gz", compresslevel=_FAST) as packed:
            try:
                packed.add(folder / "code", arcname="")
            except FileNotFoundError:  # deleted meanwhile
                return
        self._add(tree, f"{name}/tree.tgz")

    def _add(self, path: Path, name: str) -> bool:
        """False when there is none, or none any more."""
        try:
            with path.open("rb") as content:
                state = os.fstat(content.fileno())
                member = tarfile.TarInfo(name)
                member.size, member.mtime, member.mode = state.st_size, state.st_mtime, 0o600
                self._tar.addfile(member, content)
        except FileNotFoundError:
            return False
        cast(Any, self._tar).members.clear()  # tarfile remembers them all
        self._files += 1
        return True


@dataclass(frozen=True)
class Restoring:
    """One backup being read. `unpack` gets an archive of code and the new folder; `settle` the restored store."""

    unpack: Callable[[Path, Path], None]
    settle: Callable[[Path], None]

    def read(self, file: Path, root: Path) -> int:
        """Fill the data folder, with all or nothing. How many files the archive holds.

        Raises ConflictError when the folder is in use or not empty, InvalidInputError for what is no backup.
        """
        if root.exists() and not (root.is_dir() and _is_unused(root)):
            raise ConflictError(f"data_dir: {root} is not empty; restore into a new folder")
        if not file.is_file():
            raise NotFoundError("backup", str(file), f"{_FIELD}: there is no {file}")
        is_new = not root.exists()
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        staged = root / _STAGED  # inside: the folder may be a disk of its own
        shutil.rmtree(staged, ignore_errors=True)  # of an attempt that was killed
        try:
            names = _extract(file, staged)
            self._complete(staged)
            os.sync()
        except BaseException:
            shutil.rmtree(root if is_new else staged, ignore_errors=True)
            raise
        # The store last: what names the rest is there when the rest is.
        for entry in sorted(staged.iterdir(), key=lambda entry: entry.name == STORE):
            entry.rename(root / entry.name)
        staged.rmdir()
        sync(root)
        return len(names)

    def _complete(self, staged: Path) -> None:
        for folder in _entries(staged / CODE):
            for archive in folder.iterdir():
                self.unpack(archive, folder / "code")
                if archive.name == "tree.tgz":
                    archive.unlink()
        self.settle(staged / STORE)


def _is_unused(folder: Path) -> bool:
    """But for what a new file system has, and what a restore that was killed has left."""
    return {path.name for path in folder.iterdir()} <= {"lost+found", _STAGED}


def _check_absent(file: Path) -> None:
    if file.exists():
        raise ConflictError(f"{file} exists already; choose another name")


def _extract(file: Path, staged: Path) -> set[str]:
    """The names of all members. Nothing lands outside of the folder: names are those of a backup, members are files."""
    names: set[str] = set()
    try:
        with gzip.open(file) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            while (member := tar.next()) is not None:
                if not names and member.name != _ABOUT:
                    raise InvalidInputError(_FIELD, "is no backup of a platform", "what `pipeyard backup` has written")
                _check_member(member, names)
                content = tar.extractfile(member)
                assert content is not None  # a file
                _write_file(staged / member.name, content, member.size)
                names.add(member.name)
                if member.name == _ABOUT:
                    _check_format((staged / _ABOUT).read_text())
                cast(Any, tar).members.clear()
    except _DAMAGED as error:
        raise InvalidInputError(_FIELD, f"is damaged, or no backup ({str(error)[:200]})", "a whole backup") from error
    if missing := sorted(_NEEDED - names):
        raise InvalidInputError(_FIELD, f"lacks {', '.join(missing)}", "a whole backup")
    (staged / _ABOUT).unlink()
    return names


def _check_member(member: tarfile.TarInfo, names: set[str]) -> None:
    name = member.name
    is_known = name in _SINGLE or _CODE.fullmatch(name) or (_OBJECT.fullmatch(name) and not _leads_out(name))
    if not member.isreg() or not is_known or name in names:
        shown = name[:120].encode(errors="replace").decode()
        raise InvalidInputError(_FIELD, f'holds "{shown}", which no backup does', "a backup as it was written")


def _leads_out(name: str) -> bool:
    return not {".", ".."}.isdisjoint(name.split("/"))


def _check_format(text: str) -> None:
    about = json.loads(text)
    found = about.get("format") if isinstance(about, dict) else None
    if found != FORMAT:
        raise InvalidInputError(
            _FIELD, f"has the format {found}", f"the format {FORMAT}; use the version that wrote it"
        )


def _write_file(place: Path, content: IO[bytes], size: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _create(place) as target:
        shutil.copyfileobj(content, target, _CHUNK_BYTES)
        if target.tell() != size:
            raise EOFError("it ends early")


def _create(place: Path) -> BinaryIO:
    """A new file that only its owner can read."""
    return open(place, "xb", opener=lambda path, flags: os.open(path, flags, 0o600))


def _copy_database(source: Path, target: Path) -> None:
    """As it is at one moment. In one step: in several it would begin anew at each commit of the server."""
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    target.chmod(0o600)


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent) / name


def _now() -> str | None:
    return clock.to_wire(clock.now())
