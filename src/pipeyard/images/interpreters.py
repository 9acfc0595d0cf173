"""The Python interpreters of this machine: which languages pipelines may ask for."""

from __future__ import annotations

import asyncio
import glob
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeyard.errors import BuildError
from pipeyard.images.commands import Command, run_for_text

MINOR_MIN = 9  # what the program inside a pod needs
_PROBE_TIMEOUT_S = 20.0
# Says what an interpreter is, without its site-packages, which may belong to anybody.
_PROBE = (
    "import json,os,sys;v=sys.version_info;"
    "print(json.dumps([sys.implementation.name,list(v[:3]),v.releaselevel,"
    "bool(getattr(sys,'_is_gil_enabled',lambda:True)()),os.path.realpath(sys.executable)]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A CPython of this machine."""

    version: tuple[int, int, int]
    path: Path

    @property
    def language(self) -> str:
        """What `container_config.language` calls it."""
        return f"python:{self.version[0]}.{self.version[1]}-slim"

    @property
    def version_text(self) -> str:
        """Such as 3.11.7."""
        return ".".join(map(str, self.version))


class Interpreters:
    """Finds the interpreters once: the newest patch of each minor version."""

    def __init__(self, uv: str, environment: Mapping[str, str]) -> None:
        self._uv = uv
        self._environment = environment
        self._search: asyncio.Task[dict[str, Interpreter]] | None = None

    async def by_language(self) -> Mapping[str, Interpreter]:
        """All of them, oldest first."""
        if self._search is None or (self._search.done() and _failed(self._search)):
            self._search = asyncio.create_task(self._discover())
        # Shared by all who ask: one who goes away does not end it for the others.
        return await asyncio.shield(self._search)

    async def get(self, language: str) -> Interpreter:
        """Raises BuildError with the languages that there are."""
        known = await self.by_language()
        if language not in known:
            raise BuildError(
                f'the language "{language}" is not available on this machine; available: {", ".join(known)}. '
                "Choose one of them in container_config, or have that Python version installed on the machine"
            )
        return known[language]

    async def _discover(self) -> dict[str, Interpreter]:
        paths = [sys.executable, *await self._known_to_uv(), *_known_to_pyenv(self._environment)]
        probed = await asyncio.gather(*(self._probe(path) for path in _distinct(paths)))
        newest: dict[str, Interpreter] = {}
        for found in probed:
            if found is not None and found.version > _version_of(newest.get(found.language)):
                newest[found.language] = found
        return dict(sorted(newest.items(), key=lambda item: item[1].version))

    async def _known_to_uv(self) -> list[str]:
        arguments = ["python", "list", "--only-installed", "--output-format", "json", "--no-python-downloads"]
        # Quiet: it warns of interpreters that it cannot run, in the same stream.
        # Without shims: they start whatever is chosen elsewhere, and uv takes half a second to try them all.
        paths = self._environment.get("PATH", os.defpath).split(os.pathsep)
        environment = {"PATH": os.pathsep.join(path for path in paths if not path.rstrip("/").endswith("/shims"))}
        status, text = await self._ask([self._uv, "--quiet", "--quiet", *arguments, "--no-config"], environment)
        try:
            found = json.loads(text) if status == 0 else []
            return [item["path"] for item in found if item.get("implementation") == "cpython"]
        except (ValueError, TypeError, KeyError, AttributeError):
            return []

    async def _probe(self, path: str) -> Interpreter | None:
        status, text = await self._ask([path, "-I", "-S", "-c", _PROBE])
        if status != 0:
            return None
        try:
            kind, version, level, has_gil, real = json.loads(text)
        except ValueError:
            return None
        if kind != "cpython" or level != "final" or not has_gil or version[0] != 3 or version[1] < MINOR_MIN:
            return None
        return Interpreter((version[0], version[1], version[2]), Path(real))

    async def _ask(self, arguments: Sequence[str], changes: Mapping[str, str] | None = None) -> tuple[int, str]:
        environment = {**self._environment, **(changes or {})}
        try:
            return await run_for_text(Command(arguments, Path("/"), environment, timeout_s=_PROBE_TIMEOUT_S))
        except (OSError, TimeoutError):
            return -1, ""


def _known_to_pyenv(environment: Mapping[str, str]) -> list[str]:
    root = environment.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    return sorted(glob.glob(f"{glob.escape(root)}/versions/*/bin/python3.[0-9]*"))


def _distinct(paths: Iterable[str]) -> list[str]:
    """Without spellings of the same file, configuration scripts and shims."""
    distinct: dict[str, None] = {}
    for path in paths:
        real = os.path.realpath(path)
        if os.access(real, os.X_OK) and not real.endswith("-config") and "/shims/" not in real:
            distinct[real] = None
    return list(distinct)


def _version_of(interpreter: Interpreter | None) -> tuple[int, int, int]:
    return (0, 0, 0) if interpreter is None else interpreter.version


def _failed(search: asyncio.Task[dict[str, Interpreter]]) -> bool:
    return search.cancelled() or search.exception() is not None
