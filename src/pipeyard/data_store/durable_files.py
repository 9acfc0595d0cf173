"""Files that appear whole, survive power loss, and leave no empty folders behind."""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
import uuid
from pathlib import Path

from pipeyard.disk_troubles import describe_trouble
from pipeyard.durability import sync
from pipeyard.errors import SyncError


class DurableFiles:
    """Files below `root`. What is on its way lies in `incoming`, on the same file system."""

    def __init__(self, root: Path, incoming: Path) -> None:
        self._root = root
        self._incoming = incoming
        # What lies there belongs to requests of an earlier server.
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        self._naming = threading.Lock()  # no folder is removed for being empty while a file is put into it

    def temporary(self) -> Path:
        """A place that nobody else uses, gone with the next start."""
        return self._incoming / uuid.uuid4().hex

    def take(self, file: Path, place: Path) -> None:
        """Put a file there, in place of what is there; it is gone from where it was, also after a SyncError."""
        try:
            sync(file)
        except OSError as error:
            file.unlink(missing_ok=True)
            raise SyncError(describe_trouble(error) or str(error)) from error
        try:
            self._put(file, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy = self.temporary()
            shutil.copyfile(file, copy)
            self.take(copy, place)
            file.unlink()

    def link(self, file: Path, place: Path) -> bool:
        """Put the same file there too. False when there is none."""
        beside = self.temporary()
        try:
            beside.hardlink_to(file)
        except FileNotFoundError:
            return False
        self._put(beside, place)
        # A rename onto another name of the same file does nothing.
        beside.unlink(missing_ok=True)
        return True

    def remove(self, place: Path) -> bool:
        """False when there is none."""
        with self._naming:
            try:
                place.unlink()
            except FileNotFoundError:
                return False
            folder = place.parent
            with contextlib.suppress(OSError):  # not empty
                while folder != self._root:
                    folder.rmdir()
                    folder = folder.parent
        _sync_folder(folder)
        return True

    def _put(self, file: Path, place: Path) -> None:
        with self._naming:
            changed = [place.parent]
            while not changed[-1].exists():
                changed.append(changed[-1].parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
        # New folders have to survive power loss too, so the one above them is written out as well.
        for folder in changed:
            _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # emptied and removed meanwhile
        sync(folder)
