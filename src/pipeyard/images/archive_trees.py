"""The folder that an archive is unpacked into: every write checked to land inside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeyard.errors import InvalidInputError
from pipeyard.images.durability import sync_tree

FIELD = "step_file"
PATH_BYTES_LIMIT = 1000
PART_BYTES_LIMIT = 255  # what file systems allow
DEPTH_LIMIT = 50
INSIDE = "paths inside the pipeline's folder"
_LATEST_S = 2**32  # beyond it file systems disagree


class Tree:
    """What was unpacked so far, by its path. Links are made last, so nothing is ever written through one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unpacked_bytes = 0
        self.entries = 0
        self._files: dict[str, int] = {}
        self._folders: set[str] = {""}
        self._links: dict[str, str] = {}

    def add_folder(self, name: str) -> None:
        """A folder and those above it. Idempotent: an archive may name one twice."""
        path = _inside(name)
        self._make_folder(path)
        self.entries += 1

    @contextmanager
    def add_file(self, name: str, *, executable: bool, modified_at_s: float) -> Iterator[BinaryIO]:
        """A file to write to. A later one of the same name replaces it."""
        path = self._place(name)
        full = self.root / path
        with full.open("xb") as file:
            yield file
            file.flush()
            self._files[path] = file.tell()
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)
            at_s = min(max(modified_at_s, 0), _LATEST_S)
            os.utime(file.fileno(), (at_s, at_s))

    def size_of(self, name: str) -> int:
        """Of a file that was unpacked. Raises InvalidInputError when there is none."""
        path = _inside(name)
        if path not in self._files:
            raise InvalidInputError(FIELD, f'a hard link leads to "{_shown(name)}", no file before it', INSIDE)
        return self._files[path]

    def add_copy(self, name: str, of: str) -> None:
        """What the archive calls a hard link, as a file of its own."""
        source = _inside(of)
        if _inside(name) == source:
            return
        size = self._files[source]
        path = self._place(name)
        shutil.copy2(self.root / source, self.root / path)
        self._files[path] = size

    def add_link(self, name: str, target: str) -> None:
        """A symbolic link to somewhere inside."""
        path = _inside(name)
        if not path:
            raise InvalidInputError(FIELD, "its root is a link", "files and folders")
        if not target or "\0" in target or len(os.fsencode(target)) > PATH_BYTES_LIMIT:
            raise _leads_out(name, target)
        if target.startswith("/"):
            raise _leads_out(name, target)
        self._place(name)
        self._links[path] = target

    def finish(self) -> None:
        """Make the links, check where they lead, flush everything."""
        for path, target in self._links.items():
            (self.root / path).symlink_to(target)
        root = os.path.realpath(self.root)
        for path, target in self._links.items():
            # With all links in place: one may lead out through another.
            real = os.path.realpath(self.root / path)
            if real != root and not real.startswith(root + os.sep):
                raise _leads_out(path, target)
        folders = [self.root / path for path in self._folders]
        for folder in folders:
            folder.chmod(0o755)
        sync_tree(self.root, [self.root / path for path in self._files], folders)

    def _place(self, name: str) -> str:
        """Make room for a file or a link of that name."""
        path = _inside(name)
        if path in self._folders:
            raise InvalidInputError(FIELD, f'"{_shown(name)}" is both a folder and a file', "one of the two")
        self._make_folder(os.path.dirname(path))
        if path in self._files:
            (self.root / path).unlink()
            del self._files[path]
        self._links.pop(path, None)
        self.entries += 1
        return path

    def _make_folder(self, path: str) -> None:
        if path in self._folders:
            return
        if path in self._files or path in self._links:
            kind = "a file" if path in self._files else "a link"
            raise InvalidInputError(FIELD, f'"{_shown(path)}" is both a folder and {kind}', "one of the two")
        self._make_folder(os.path.dirname(path))  # depth is bounded by DEPTH_LIMIT
        (self.root / path).mkdir()
        self._folders.add(path)


def _inside(name: str) -> str:
    """The path without `.` parts; "" is the root, which the public client sends for `included_folders=["/"]`."""
    if name.startswith("/"):
        raise InvalidInputError(FIELD, f'"{_shown(name)}" is an absolute path', INSIDE)
    if "\0" in name or len(os.fsencode(name)) > PATH_BYTES_LIMIT:
        raise InvalidInputError(FIELD, f'"{_shown(name)}" is too long a path', f"at most {PATH_BYTES_LIMIT} bytes")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidInputError(FIELD, f'"{_shown(name)}" has ".." in it', INSIDE)
    if any(len(os.fsencode(part)) > PART_BYTES_LIMIT for part in parts):
        raise InvalidInputError(FIELD, f'"{_shown(name)}" has too long a name', f"at most {PART_BYTES_LIMIT} bytes")
    if len(parts) > DEPTH_LIMIT:
        raise InvalidInputError(FIELD, f'"{_shown(name)}" is too deep', f"at most {DEPTH_LIMIT} folders")
    return "/".join(parts)


def _leads_out(name: str, target: str) -> InvalidInputError:
    problem = f'the link "{_shown(name)}" leads out of the folder, to "{_shown(target)}"'
    return InvalidInputError(FIELD, problem, "links to somewhere inside it")


def _shown(name: str) -> str:
    return name[:120].encode(errors="replace").decode().replace("\0", "?")
