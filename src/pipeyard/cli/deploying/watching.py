"""Waiting for a folder to change."""

from __future__ import annotations

import threading
from pathlib import Path

from pipeyard.cli.deploying.folders import list_files

LOOK_S = 0.3  # a walk over the names of a folder of code costs a millisecond or two

State = dict[Path, tuple[int, int]]


def look(folder: Path) -> State:
    """Time of change in nanoseconds and size of each file that travels."""
    state: State = {}
    for path in list_files(folder):
        try:
            found = (folder / path).stat()
        except FileNotFoundError:  # gone meanwhile
            continue
        state[path] = (found.st_mtime_ns, found.st_size)
    return state


def wait_for_change(folder: Path, seen: State) -> State:
    """The new state, once the folder has been quiet for one look: editors write in several steps."""
    never = threading.Event()
    before = seen
    while True:
        never.wait(LOOK_S)
        now = look(folder)
        if now != seen and now == before:
            return now
        before = now
