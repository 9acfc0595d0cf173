"""What is tried again, and what is not."""

from __future__ import annotations

import errno

import pytest

from pipeyard.engine.patience import is_passing
from pipeyard.errors import ConflictError, DiskError, StoreError, SyncError, UnavailableError


@pytest.mark.parametrize(
    "error",
    [
        StoreError("away"),
        UnavailableError("away"),
        DiskError("is full"),
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EMFILE, "too many files"),
        ConnectionResetError(),
        TimeoutError(),
        RuntimeError("can't start new thread"),
    ],
)
def test_what_passes_is_tried_again(error: Exception) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        ConflictError("an answer"),
        SyncError("is failing"),
        OSError(errno.ENAMETOOLONG, "too long"),
        NotADirectoryError(errno.ENOTDIR, "a file"),
        TypeError("a mistake"),
        KeyError("a mistake"),
        UnicodeDecodeError("utf-8", b"", 0, 0, "a mistake"),
    ],
)
def test_mistakes_and_answers_are_not(error: Exception) -> None:
    assert not is_passing(error)
