"""Runs any program in a place of its own: `python -I -S <program folder> isolate PLACE -- COMMAND...`.

PLACE is JSON: {"level": "namespaces" | "process", "binds": [{"source", "target", "writable"}], "hidden": [path],
"outside_uid": number, "cwd": path}. The command gets the environment of the caller and its exit status is passed on
(128 + number for a signal). It ends with its caller. The network is the machine's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

from . import isolation, kernel
from .limits import forbid_core_dumps

_CANNOT_ISOLATE = 125  # as `chroot`, `nohup` and `env` do for their own failures


def isolate(arguments: list[str]) -> None:
    """Parse the arguments, isolate, run, exit."""
    description = json.loads(arguments[0])
    command = arguments[2:]
    kernel.set_parent_death_signal(signal.SIGKILL)
    with contextlib.suppress(OSError):  # as in a pod
        kernel.leave_session_keyring()
    if description["level"] == "process":
        _exec(command, description.get("cwd"))
    place = isolation.Place(
        binds=[isolation.Bind(b["source"], b["target"], b.get("writable", False)) for b in description["binds"]],
        hidden=description.get("hidden", ()),
        outside_uid=description.get("outside_uid", isolation.NOBODY_UID),
    )
    try:
        prepared = isolation.leave(place)
    except OSError as error:
        _fail(error.strerror or str(error))
    pid = os.fork()
    if pid == 0:
        _first_process(place, prepared, command, description.get("cwd"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.kill(pid, signal.SIGKILL))
    kernel.set_parent_death_signal(signal.SIGKILL)  # a change of user id clears it
    _, status = os.waitpid(pid, 0)
    os._exit(_exit_code(status))


def _first_process(place: isolation.Place, prepared: isolation.Prepared, command: list[str], cwd: str | None) -> None:
    # Pid 1 must reap, and is spared by most signals: the command runs as its child.
    try:
        kernel.set_parent_death_signal(signal.SIGKILL)
        isolation.enter(place, prepared)
    except OSError as error:
        _fail(error.strerror or str(error))
    pid = os.fork()
    if pid == 0:
        _exec(command, cwd)
    while True:
        ended, status = os.wait()
        if ended == pid:
            os._exit(_exit_code(status))


def _exec(command: list[str], cwd: str | None) -> None:
    try:
        if cwd is not None:
            os.chdir(cwd)
        forbid_core_dumps()
        kernel.set_no_new_privileges()
        kernel.keep_in_own_scope()
        os.execvp(command[0], command)  # noqa: S606  no shell is wanted
    except OSError as error:
        _fail(f"{command[0]}: {error}")


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _fail(message: str) -> None:
    sys.stderr.write(f"cannot isolate: {message}\n")
    sys.stderr.flush()
    os._exit(_CANNOT_ISOLATE)
