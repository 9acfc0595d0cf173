"""How objects lie in a folder: `a/b` is the file `a.d/b.o`, so that an object `a` can stand beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeyard.clock import from_epoch_ms
from pipeyard.domain.objects import StoredObject, check_key

_OBJECT, _FOLDER = ".o", ".d"


def place_of(root: Path, path: str) -> Path:
    """Where the object of that path lies. Raises InvalidInputError."""
    *folders, name = check_key(path)
    return root.joinpath(*(f"{folder}{_FOLDER}" for folder in folders), f"{name}{_OBJECT}")


def folder_of(root: Path, prefix: str) -> Path:
    """Where the objects lie whose paths begin with `prefix`: "" or a path with a slash at its end."""
    return root.joinpath(*(f"{folder}{_FOLDER}" for folder in check_key(prefix[:-1]))) if prefix else root


def describe(path: str, about: os.stat_result) -> StoredObject:
    """The object without its content. Each replacement is a new file, so its ETag is another one."""
    etag = f'"{about.st_ino:x}-{about.st_mtime_ns:x}-{about.st_size:x}"'
    return StoredObject(path, about.st_size, from_epoch_ms(about.st_mtime_ns // 1_000_000), etag)


def walk(folder: Path, prefix: str, after: str) -> Iterator[StoredObject]:
    """The objects of a folder whose paths are beyond `after`, in the order of the paths (that of their bytes)."""
    try:
        with os.scandir(folder) as entries:
            # A folder's paths go on with a slash: compared with it, names come in the order of the whole paths.
            named = sorted((_name(entry.name), entry.name) for entry in entries)
    except FileNotFoundError:
        return
    for name, file_name in named:
        path = f"{prefix}{name}"
        if name.endswith("/"):
            if path > after or after.startswith(path):
                yield from walk(folder / file_name, path, after)
        elif path > after:
            try:
                yield describe(path, (folder / file_name).stat())
            except FileNotFoundError:
                continue  # deleted meanwhile


def _name(file_name: str) -> str:
    name = file_name[: -len(_OBJECT)]
    return f"{name}/" if file_name.endswith(_FOLDER) else name
