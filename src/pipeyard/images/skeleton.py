"""The parts of an image that say which interpreter runs: taken before packages are installed, put back afterwards.

Code of packages may write anything in the image while they are built. What decides what the platform itself will run
and show to pods must not be its work.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pipeyard.errors import BuildError

_CONFIGURATION = "pyvenv.cfg"


@dataclass(frozen=True)
class Skeleton:
    """The links to the interpreter by name, and the configuration."""

    links: dict[str, str]
    configuration: bytes

    @classmethod
    def of(cls, image: Path) -> Skeleton:
        """That of an image into which nothing has been installed yet."""
        names = [entry for entry in (image / "bin").iterdir() if entry.name.startswith("python") and entry.is_symlink()]
        links = {entry.name: os.readlink(entry) for entry in names}
        return cls(links, (image / _CONFIGURATION).read_bytes())

    def restore(self, image: Path) -> None:
        """Put it back and take the image over: from now on it is this server's alone. Raises BuildError."""
        programs = image / "bin"
        for folder in (image, programs):
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise BuildError(f"a package replaced the folder {folder.name} of the image by something else")
        _own(image)
        for entry in list(programs.iterdir()):
            if entry.name.startswith("python") and entry.name.partition("-")[0] in self._names():
                entry.unlink()
        for name, target in self.links.items():
            (programs / name).unlink(missing_ok=True)
            (programs / name).symlink_to(target)
        configuration = image / _CONFIGURATION
        configuration.unlink(missing_ok=True)
        configuration.write_bytes(self.configuration)

    def _names(self) -> set[str]:
        return {"python", "python3", *self.links}


def _own(image: Path) -> None:
    """Everything in it belongs to this server's user, and nothing runs as its owner. Links are not followed."""
    uid, gid = os.geteuid(), os.getegid()
    for parent, folders, files in os.walk(image):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            status = os.lstat(path)
            if status.st_uid != uid:
                os.chown(path, uid, gid, follow_symlinks=False)
            if not stat.S_ISLNK(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                os.chmod(path, stat.S_IMODE(status.st_mode) & 0o777)
    if image.stat().st_uid != uid:
        os.chown(image, uid, gid)
