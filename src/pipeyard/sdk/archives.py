"""The code of a pipeline as a compressed archive."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from pipeyard.sdk.constants import CREATION_PARAMETER_VALUE

_COMPRESSION = 6  # the default, 9, takes several times as long for a few per cent
# Never part of a pipeline's code, unless `included_folders` names them.
_LEFT_OUT = frozenset({".git", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
_MARK_OF_AN_ENVIRONMENT = "pyvenv.cfg"


def included_paths(config: Mapping[str, Any], project: Mapping[str, Any], function_path: str | None) -> list[str]:
    """What goes into the archive: folders, the requirements and the function's file, as the project says by default.

    Raises ValueError when the folders are no list.
    """
    folders = _setting("included_folders", config, project) or []
    if not isinstance(folders, (list, tuple)):
        raise ValueError(f"'included_folders' must be a list of paths, got {type(folders).__name__}")
    requirements = _setting("requirements_path", config, project)
    return [path for path in (*folders, requirements, function_path) if path]


def _setting(key: str, config: Mapping[str, Any], project: Mapping[str, Any]) -> Any:
    value = config.get(key)
    if value is None or value is CREATION_PARAMETER_VALUE.FALLBACK_PROJECT:
        return project.get(key)
    return None if value is CREATION_PARAMETER_VALUE.NULL else value


@contextmanager
def build_archive(folder: Path, paths: Sequence[str]) -> Iterator[IO[bytes]]:
    """A temporary gzip tar with those paths, relative to the folder; a slash at their beginning means the folder.

    Raises FileNotFoundError for a path that is not there, ValueError for one that leads out of the folder.
    """
    root = folder.absolute()
    if not root.is_dir():
        raise FileNotFoundError(f"local_folder: there is no folder {root}")
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=_COMPRESSION) as archive:
            seen: set[str] = set()
            for path in paths:
                _add(archive, root, _relative(path), seen)
        file.seek(0)
        yield cast("IO[bytes]", file)


def _relative(path: str) -> str:
    parts = [part for part in PurePosixPath(path.lstrip("/")).parts if part != "."]
    if ".." in parts:
        raise ValueError(f"{path!r} leads out of the local folder; everything a pipeline needs must be in it")
    return "/".join(parts)


def _add(archive: tarfile.TarFile, root: Path, path: str, seen: set[str]) -> None:
    """A file, or a folder with what is below. What was named is taken, whatever it is."""
    place = root / path
    if not os.path.lexists(place):
        raise FileNotFoundError(f"there is no {path} in the local folder {root}")
    if path and path not in seen:
        seen.add(path)
        archive.add(place, path, recursive=False, filter=_without_owner)
    if place.is_dir() and not place.is_symlink():
        for child in sorted(os.listdir(place)):
            if child not in _LEFT_OUT and not (place / child / _MARK_OF_AN_ENVIRONMENT).exists():
                _add(archive, root, f"{path}/{child}" if path else child, seen)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
