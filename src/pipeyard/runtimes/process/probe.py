"""Finds out how well this machine can isolate and limit, by trying."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pipeyard.domain.pods import IsolationLevel
from pipeyard.pod import cgroups, kernel
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
    return IsolationLevel.PROCESS, result.stderr.strip().removeprefix(
        "cannot isolate: "
    ) or f"the probe ended with code {result.returncode}"


def describe_limits() -> str:
    """Who keeps pods within their limits on this machine, in words."""
    trial = f"probe-{os.getpid()}"
    groups = cgroups.create(trial, 1 << 30, 16)
    groups.close()
    cgroups.remove(trial)
    memory = "cgroup" if groups.limits_memory else "watched"
    processes = "cgroup" if groups.limits_processes else "rlimit"
    return f"memory: {memory}, processes: {processes}, disk: watched, Landlock: {kernel.landlock_version() or 'none'}"
