"""The platform as users that are less than root, on the same machine."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

UID = 64_011  # nobody's
_SOURCES = Path(__file__).parents[2] / "src"
_RUN = "from pipeyard.cli import main; main()"
# In a user namespace of this kind no other can be made: as on machines that forbid them. The rights to say so are given
# up before anything else runs.
_FORBID = """echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all "$0" "$@"
"""


def ordinary_command(folder: Path) -> Sequence[str] | None:
    """`pipeyard` as an ordinary user, to whom `data` and `home` in `folder` belong; None where that cannot be had."""
    if os.geteuid() != 0:
        return (sys.executable, "-c", _RUN)
    if shutil.which("setpriv") is None:
        return None
    for name in ("data", "home"):
        (folder / name).mkdir(mode=0o700)
        os.chown(folder / name, UID, UID)
    paths = os.pathsep.join([str(_SOURCES), *site.getsitepackages()])
    variables = [f"HOME={folder / 'home'}", f"PYTHONPATH={paths}", "PYTHONDONTWRITEBYTECODE=1"]
    # The interpreter of the tests may lie where root alone can go.
    for python in (sys.executable, "/usr/bin/python3.11"):
        command = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env", *variables, python)
        trial = subprocess.run([*command, "-c", "import pipeyard.cli"], capture_output=True, cwd="/", check=False)
        if trial.returncode == 0:
            return (*command, "-c", _RUN)
    return None


def without_namespaces(command: Sequence[str]) -> Sequence[str] | None:
    """The same where user namespaces are forbidden; None where that cannot be had."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return None
    at = command.index("env") if "env" in command else 0
    inner = ("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", _FORBID)
    return (*command[:at], *inner, *command[at:])
