"""The command line as a user has it: in this process for what it prints, in one of its own for signals."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeyard.cli.main import run
from tests.platforms import PIPEYARD, Platform


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as a program reads it."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The lines after the headings, by their tabs."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]


@dataclass
class Shell:
    """Runs commands with the access of a platform, in a folder of its own, with no other access anywhere."""

    platform: Platform
    home: Path
    monkeypatch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        for name in [name for name in os.environ if name.startswith(("PIPEYARD_", "CRAFT_"))]:
            self.monkeypatch.delenv(name)
        self.monkeypatch.setenv("HOME", str(self.home))
        self.monkeypatch.setenv("XDG_CONFIG_HOME", str(self.home / "config"))
        for name, value in self.platform.credentials.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.chdir(self.home)

    def __call__(self, *arguments: str | Path, stdin: str = "", status: int = 0) -> Done:
        """Run a command; it must end with that status."""
        out, err = _Text(), _Text(errors="backslashreplace")
        self.monkeypatch.setattr(sys, "stdin", _Text(stdin))
        with redirect_stdout(out), redirect_stderr(err):
            ended = run([str(argument) for argument in arguments])
        done = Done(ended, out.text, err.text)
        assert done.status == status, done
        return done

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """The same in a process of its own."""
        command = [str(PIPEYARD), *map(str, arguments)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(command, **options)

    def folder(self, name: str, source: str, **files: str) -> Path:
        """A folder to deploy: main.py and other files, `requirements_txt` for `requirements.txt`."""
        place = self.home / name
        place.mkdir(exist_ok=True)
        (place / "main.py").write_text(source)
        for file, text in files.items():
            (place / file.replace("_txt", ".txt").replace("_json", ".json")).write_text(text)
        return place


class _Text(io.TextIOWrapper):
    """A text stream with bytes below, as the real ones have."""

    def __init__(self, text: str = "", errors: str = "strict") -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8", errors=errors, write_through=True)

    @property
    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()
