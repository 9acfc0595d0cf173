"""What the disk of the data folder refuses, told apart from all other errors."""

from __future__ import annotations

import errno
import sqlite3

_FULL, _READ_ONLY, _FAILING = "is full", "is read-only", "is failing"
_REMEDIES = {
    _FULL: "free some room",
    _READ_ONLY: "make it writable again",
    _FAILING: "look at the kernel's log, and have a backup at hand",
}
_BY_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,  # the limit on the size of files of the process
    errno.EROFS: _READ_ONLY,
    errno.EIO: _FAILING,
}
_PRIMARY = 0xFF  # of an extended result code of SQLite
_BY_RESULT_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _FAILING,
    sqlite3.SQLITE_IOERR: _FAILING,
}


def describe_trouble(error: BaseException) -> str | None:
    """What is wrong with the disk, and what to do; None when the error says nothing about it."""
    trouble = _find(error)
    return None if trouble is None else f"the disk of the data folder {trouble}: {_REMEDIES[trouble]}"


def describe_room(free_bytes: int, reserve_bytes: int, *, is_read_only: bool) -> str | None:
    """The same for a disk by its state, before anything has failed."""
    if is_read_only:
        return f"the disk of the data folder {_READ_ONLY}: {_REMEDIES[_READ_ONLY]}"
    if free_bytes < reserve_bytes:
        return (
            f"the disk of the data folder {_FULL}: {free_bytes} bytes are free, and {reserve_bytes} are kept for what "
            f"runs (disk_reserve_bytes is the setting); {_REMEDIES[_FULL]}"
        )
    return None


def _find(error: BaseException) -> str | None:
    error = getattr(error, "orig", None) or error  # as SQLAlchemy wraps what a driver raises
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    if isinstance(error, sqlite3.Error):
        return _BY_RESULT_CODE.get(getattr(error, "sqlite_errorcode", 0) & _PRIMARY)
    return None
