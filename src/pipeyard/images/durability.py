"""Making what was written survive a power loss before anybody is told of it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

# Beyond it one flush of the whole file system is faster than one of each file.
FSYNC_FILES_LIMIT = 64


def sync_tree(folder: Path, files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Flush these files and folders, all of them below `folder`, to the disk."""
    if len(files) > FSYNC_FILES_LIMIT:
        sync_file_system(folder)
        return
    for path in (*files, *folders, folder):
        sync_path(path)


def sync_path(path: Path) -> None:
    """Flush one file, or the entries of one folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Flush the file system that the folder is on."""
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
