"""Where packages are installed: code of theirs runs then, and must see nothing of the platform."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeyard.images.commands import Command
from pipeyard.pod.isolation import NOBODY_UID, interpreter_binds, is_system
from pipeyard.pod.program import isolated_command

# `http_proxy` and certificates may point into these; the system's own folders can be seen anyway.
_READABLE = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Enclosure:
    """Runs a command in namespaces of its own, in which the platform's folder is hidden."""

    program: Path  # the installed pod program
    hidden: Path

    def wrap(self, command: Command, image: Path, writable: Sequence[Path]) -> Command:
        """The same command, enclosed, with what the image's interpreter needs.

        The first writable folder also holds its HOME and /tmp. As root, the writable folders go to the user that pods
        run as, and stay with it: pods see images read-only.
        """
        home, temporary = writable[0] / "home", writable[0] / "tmp"
        for folder in (home, temporary, *writable):
            folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for folder in writable:
                _give_away(folder)
        # Its own /tmp comes first: the other folders may lie below the machine's.
        binds = [(temporary, Path("/tmp"), True), (temporary, Path("/var/tmp"), True)]  # noqa: S108
        binds += [(path, path, True) for path in writable]
        needed = [bind.source for bind in interpreter_binds(str(image))]
        binds += [(Path(path), Path(path), False) for path in (*needed, command.arguments[0], *_named_in(command))]
        place: dict[str, object] = {
            "level": "namespaces",
            "binds": [{"source": str(s), "target": str(t), "writable": w} for s, t, w in binds],
            "hidden": [str(self.hidden)],
            "outside_uid": NOBODY_UID,
            "cwd": str(command.folder),
        }
        environment = {**command.environment, "HOME": str(home), "TMPDIR": "/tmp"}  # noqa: S108
        return replace(
            command,
            arguments=isolated_command(self.program, place, list(command.arguments)),
            folder=Path("/"),
            environment=environment,
        )


def _named_in(command: Command) -> list[str]:
    paths = [command.environment.get(name, "") for name in _READABLE]
    return [path for path in paths if os.path.exists(path) and not is_system(path)]


def _give_away(folder: Path) -> None:
    """To the pods' user. A cache that was given away before is left as it is: it may hold millions of files."""
    if folder.stat().st_uid == NOBODY_UID:
        return
    shutil.chown(folder, NOBODY_UID, NOBODY_UID)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), NOBODY_UID, NOBODY_UID, follow_symlinks=False)
