"""The folder of one pod: what the runtime keeps about it, and the files that the pod sees."""

from __future__ import annotations

import os
import stat

# In the pod's folder, for the runtime alone.
SPEC_FILE = "spec.json"  # written by the runtime before it launches
REF_FILE = "ref.json"  # written once by the pod itself: pid, start_time_ticks, boot_id, level
EXIT_FILE = "exit.json"  # written by the supervisor when it ends in good order: reason, message
JOURNAL_FILE = "started.journal"  # the executions that were handed to the worker, one id a line
SOCKET_FILE = "control.sock"
LOG_FILE = "supervisor.log"
FILES_FOLDER = "files"

_COPY_CHUNK_BYTES = 1024 * 1024


class PodPaths:
    """Where the pod finds its files, seen from where it runs."""

    __slots__ = ("home", "image", "inputs", "outbox", "program", "tmp", "work")

    def __init__(self, files: str, image: str, program: str) -> None:
        self.work = os.path.join(files, "work")
        self.tmp = os.path.join(files, "tmp")
        self.home = os.path.join(files, "home")
        self.inputs = os.path.join(files, "inputs")
        self.outbox = os.path.join(files, "outbox")
        self.image = image
        self.program = program

    @classmethod
    def isolated(cls) -> PodPaths:
        """The fixed paths of a pod that has a root of its own."""
        paths = cls("/pod", "/image", "/pod/program")
        paths.work, paths.tmp, paths.home = "/work", "/tmp", "/home/pipeyard"  # noqa: S108  the pod's own
        return paths

    def folders(self) -> tuple[str, ...]:
        """Those that the pod may write to."""
        return (self.work, self.tmp, self.home, self.inputs, self.outbox)


def create_files(paths: PodPaths, code: str | None, owner: int | None) -> None:
    """Make the pod's files: a copy of `code`, and blank folders, all belonging to the user id `owner` if given."""
    os.makedirs(os.path.dirname(paths.work), exist_ok=True)
    for folder in paths.folders():
        os.mkdir(folder)
        _give(folder, owner)
    if code is not None:
        copy_tree(code, paths.work, owner)


def copy_tree(source: str, target: str, owner: int | None) -> None:
    """Copy a folder's content into an existing one. Times are kept: Python's cached bytecode stays valid."""
    with os.scandir(source) as entries:
        for entry in entries:
            destination = os.path.join(target, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), destination)
                if owner is not None:
                    os.lchown(destination, owner, owner)
            elif entry.is_dir():
                os.mkdir(destination)
                copy_tree(entry.path, destination, owner)
                _give(destination, owner)
            elif entry.is_file():
                _copy_file(entry.path, destination, owner)


def _copy_file(source: str, destination: str, owner: int | None) -> None:
    with open(source, "rb", buffering=0) as reader, open(destination, "xb", buffering=0) as writer:
        status = os.fstat(reader.fileno())
        while chunk := reader.read(_COPY_CHUNK_BYTES):
            view = memoryview(chunk)
            while view:
                view = view[writer.write(view) :]
        os.fchmod(writer.fileno(), stat.S_IMODE(status.st_mode) & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
        if owner is not None:
            os.fchown(writer.fileno(), owner, owner)
        os.utime(writer.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))


def _give(folder: str, owner: int | None) -> None:
    os.chmod(folder, 0o755)  # noqa: S103  whatever the umask
    if owner is not None:
        os.chown(folder, owner, owner)
