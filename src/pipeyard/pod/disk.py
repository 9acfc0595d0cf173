"""What the files of a pod take on the disk, and whether that is more than they may."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from . import process_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The disk is not measured again before it has lost this much to anybody.
_UNNOTICED_BYTES = 1024 * 1024
# A look takes a few milliseconds: the rest of a large tree is for the next ones.
_ENTRIES_PER_LOOK = 2000
# A file takes an inode and its name, however empty.
_LEAST_BYTES = 4096
# The names of the folders that wait to be looked into are in memory: more of them count as too much.
_WAITING_FOLDERS_MAX = 300_000


class DiskLimit:
    """At most `most_bytes` in `folders`, which lie on one file system, and in files deleted there and still open."""

    __slots__ = ("_device", "_folders", "_free_bytes", "_measuring", "most_bytes", "was_exceeded")

    def __init__(self, most_bytes: int, folders: Sequence[str]) -> None:
        self.most_bytes = most_bytes
        self.was_exceeded = False
        self._folders = folders
        self._device = os.stat(folders[0]).st_dev
        self._free_bytes: int | None = None  # when it was measured last
        self._measuring: Iterator[int] | None = None

    def look(self) -> bool:
        """Whether the files take more than they may. A tree of many files is measured over several looks."""
        if self._measuring is None and self._has_shrunk():
            self._measuring = self._measured()
        if self._measuring is not None:
            for used_bytes in self._measuring:
                self.was_exceeded = self.was_exceeded or used_bytes > self.most_bytes
                break
            else:
                self._measuring = None
        return self.was_exceeded

    def _has_shrunk(self) -> bool:
        try:
            status = os.statvfs(self._folders[0])
        except OSError:  # user code may remove the folder where it has no place of its own
            return False
        free_bytes = status.f_bfree * status.f_frsize
        if self._free_bytes is not None and self._free_bytes - free_bytes < _UNNOTICED_BYTES:
            self._free_bytes = max(free_bytes, self._free_bytes)
            return False
        self._free_bytes = free_bytes
        return True

    def _measured(self) -> Iterator[int]:
        """The sum so far, after each portion of work and at the end."""
        used_bytes = 0
        for entries, size_bytes in enumerate(self._sizes(), 1):
            used_bytes += size_bytes
            if entries % _ENTRIES_PER_LOOK == 0:
                yield used_bytes
        yield used_bytes

    def _sizes(self) -> Iterator[int]:
        waiting = [("", folder) for folder in self._folders]  # the path above, which many share, and the name
        while waiting:
            folder = os.path.join(*waiting.pop())
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        with contextlib.suppress(FileNotFoundError):
                            yield _size_bytes(entry.stat(follow_symlinks=False))
                            if entry.is_dir(follow_symlinks=False):
                                waiting.append((folder, entry.name))
                                if len(waiting) > _WAITING_FOLDERS_MAX:
                                    yield self.most_bytes + 1
                                    return
            except OSError as error:
                # A path longer than the kernel takes: what is hidden below counts as too much.
                if error.errno == errno.ENAMETOOLONG:
                    yield self.most_bytes + 1
        yield from _deleted_sizes(self._device)


def _size_bytes(status: os.stat_result) -> int:
    if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):  # the names of a file share it
        return max(_LEAST_BYTES, status.st_blocks * 512 // status.st_nlink)
    return max(_LEAST_BYTES, status.st_blocks * 512)


def _deleted_sizes(device: int) -> Iterator[int]:
    seen: set[int] = set()
    for pid in process_tree.descendants(os.getpid()):
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    status = os.stat(f"/proc/{pid}/fd/{name}")
                    if status.st_nlink == 0 and status.st_dev == device and status.st_ino not in seen:
                        seen.add(status.st_ino)
                        yield _size_bytes(status)
