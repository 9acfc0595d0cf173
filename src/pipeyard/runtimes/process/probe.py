"""Finds out how well this machine can isolate, by isolating something."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeyard.domain.pods import IsolationLevel
from pipeyard.pod.program import isolated_command

_TIMEOUT_S = 20.0


def probe(program: Path, outside_uid: int) -> tuple[IsolationLevel, str]:
    """The strongest level that works here, and what the machine lacks for a stronger one (empty if nothing)."""
    place = {"level": "namespaces", "binds": [], "hidden": [], "outside_uid": outside_uid, "cwd": "/"}
    command = isolated_command(program, place, ["/bin/sh", "-c", "test $$ -le 2 && test ! -e /root"])
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return IsolationLevel.PROCESS, str(error)
    if result.returncode == 0:
        return IsolationLevel.NAMESPACES, ""
    return IsolationLevel.PROCESS, result.stderr.strip() or f"the probe ended with code {result.returncode}"
