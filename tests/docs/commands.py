"""Commands of the documentation that a test cannot run as they stand, checked in a cheaper real way.

What installs, starts a server or belongs to root is not run. `make` targets are expanded by `make --dry-run`; command
lines of Pipeyard that start or end a server are parsed by its own command line; commands of the system are known by
name, and the files that they are given stand on the same page.
"""

from __future__ import annotations

import re
import shlex
import subprocess

import typer.main

from pipeyard.cli.main import app
from tests.docs.pages import ROOT

SYSTEM_COMMANDS = {"git", "sudo", "systemctl", "journalctl", "cd", "ssh-keygen", "ssh-keyscan"}
SERVER_COMMANDS = {"up", "down"}
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SUDO_COMMANDS = {"cp", "git", "make", "systemctl", "journalctl", "useradd", "tar", "pipeyard", "install", "tee"}


def is_only_checked(line: str) -> bool:
    """Whether a command line is checked instead of run."""
    words = shlex.split(line, comments=True)
    if not words:
        return False
    if _is_pipeyard(words[0]):
        return len(words) > 1 and words[1] in SERVER_COMMANDS
    return words[0] == "make" or words[0] in SYSTEM_COMMANDS


def check_command(line: str) -> None:
    """Raises AssertionError when it cannot work."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    if words[0] == "sudo":
        words = words[1:]
        if words[:2] == ["-u", "pipeyard"]:
            words = words[2:]
        assert words[0] in SUDO_COMMANDS or _is_pipeyard(words[0]), line
    if words[0] == "make":
        _check_make(words[1:])
    elif _is_pipeyard(words[0]):
        parse_pipeyard(words[1:])


def parse_pipeyard(arguments: list[str]) -> None:
    """By the command line itself, without running anything. Raises what it would print."""
    root = typer.main.get_command(app)
    name, rest = arguments[0], arguments[1:]
    with root.make_context("pipeyard", [name]) as context:
        command = root.get_command(context, name)  # type: ignore[attr-defined]
        assert command is not None, f"pipeyard has no command {name}"
        command.make_context(name, rest, parent=context)


def _check_make(words: list[str]) -> None:
    targets = [word for word in words if "=" not in word]
    assert targets, words
    assert set(targets) <= MAKE_TARGETS, words
    subprocess.run(["make", "--dry-run", *words], cwd=ROOT, check=True, capture_output=True, timeout=10)


def _is_pipeyard(word: str) -> bool:
    return word.rpartition("/")[2] == "pipeyard"
