"""The table of escapes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Target = dict[str, Any]
libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Escape:
    """One way out. It returns what it got hold of, or nothing; OSError, a refusal, is nothing too."""

    tries: str
    level: str  # it fails from this level on
    attempt: Callable[[Target], Any]
    landlock: int = 0  # it fails only with this version of Landlock
    open_below: bool = False  # it is known to get out at the level `process`
    ends_with: str | None = None  # the pod does not survive it: the kind of the failure

    @property
    def needs(self) -> str:
        return f"`{self.level}`, Landlock {self.landlock}" if self.landlock else f"`{self.level}`"


ESCAPES: list[Escape] = []


def escape(tries: str, level: str = "namespaces", **options: Any) -> Callable[[Any], Any]:
    """Adds the function to the table."""

    def add(attempt: Callable[[Target], Any]) -> Callable[[Target], Any]:
        ESCAPES.append(Escape(tries, level, attempt, **options))
        return attempt

    return add


def check(result: int) -> int:
    """The result of a call of the C library; raises OSError for -1."""
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read(path: str, size: int = 100) -> bytes:
    """The beginning of a file."""
    with open(path, "rb") as file:
        return file.read(size)


def first(attempt: Callable[[Any], Any], candidates: Any) -> Any:
    """What the first of the candidates gives that gives something."""
    for candidate in candidates:
        try:
            found = attempt(candidate)
        except OSError:
            continue
        if found:
            return found
    return None
