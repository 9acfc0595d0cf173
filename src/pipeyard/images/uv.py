"""uv: the commands that make a virtual environment and install packages, and what its failures mean."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeyard.images.commands import Command, run_for_text

# What a build may know of the server's own environment: what finding packages and compilers needs. That may hold
# credentials of an index, which the operator has set for this very purpose.
_PASSED = re.compile(
    r"PATH|HOME|USER|LANG|LC_.*|TMPDIR|UV_.*|SSL_CERT_.*|(?:https?|no|all|HTTPS?|NO|ALL)_(?:proxy|PROXY)|XDG_.*|"
    r"CC|CXX|CFLAGS|CXXFLAGS|LDFLAGS|CPATH|LIBRARY_PATH|LD_LIBRARY_PATH|PKG_CONFIG_PATH|CUDA_HOME|CUDA_PATH|"
    r"SSH_AUTH_SOCK|NETRC|PYENV_ROOT"
)
# These would change where uv installs, or for whom.
_NOT_PASSED = re.compile(r"UV_PYTHON.*|UV_PROJECT.*|UV_SYSTEM_PYTHON|UV_TARGET|UV_PREFIX|UV_PUBLISH.*|UV_.*_EDITABLE")
_LAST_LINES = 12

_REMEDIES = (
    (
        r"not found in the package registry",
        "check the spelling of the package's name, and whether its index needs --extra-index-url in the requirements",
    ),
    (
        r"no wheels with a matching Python|requires-python|Requires-Python|does not satisfy Python|require CPython",
        "choose another container_config.language, or a version of the package for this one",
    ),
    (
        r"there (?:is|are) no versions? of|only the following versions|only .* (?:is|are) available",
        "choose a version that exists",
    ),
    (r"requirements are unsatisfiable|your requirements", "change the versions that contradict each other"),
    (
        r"\b40[13]\b|[Uu]nauthori[sz]ed|[Ff]orbidden",
        "the index refused the credentials; check the variables used in the requirements",
    ),
    (
        r"error sending request|Failed to fetch|tcp connect|dns error|timed out|Connection refused",
        "the package index cannot be reached from this machine; check the URL and the network, then try again",
    ),
    (r"No space left on device", "the operator of this machine must free disk space"),
    (
        r"Couldn't parse|Expected|Unsupported|parse requirement",
        "correct that line of the requirements",
    ),
    (
        r"build backend|Failed to build|build_wheel|build_editable",
        "the package has to be built from source and that failed: choose a version with a wheel for this Python, or "
        "name the system packages it needs in system_dependencies",
    ),
)


class Uv:
    """Builds the commands for one uv."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        self.program = program
        self.environment = {
            **{key: value for key, value in environment.items() if _is_passed(key)},
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_EDITABLE": "1",
            "NO_COLOR": "1",
        }
        self._cache: Path | None = None

    def make_environment(self, python: Path, folder: Path) -> Command:
        """An empty virtual environment that can be moved."""
        arguments = [self.program, "venv", "--quiet", "--relocatable", "--no-project", "--no-config"]
        return Command([*arguments, "--python", str(python), str(folder)], folder.parent, self.environment)

    async def install(
        self, image: Path, code: Path, requirements: str, variables: Mapping[str, str], timeout_s: float
    ) -> Command:
        """Install requirements, given on stdin: with the values of variables in them they never touch the disk."""
        arguments = [self.program, "pip", "install", "--compile-bytecode", "--no-progress", "--color", "never"]
        arguments += ["--python", str(image / "bin" / "python"), "--requirements", "-"]
        environment = {**self.environment, **variables, "UV_LINK_MODE": await self._link_mode(image)}
        return Command(arguments, code, environment, requirements.encode(), timeout_s)

    async def cache_folder(self) -> Path:
        """Where uv keeps what it downloaded and built."""
        if self._cache is None:
            _, text = await run_for_text(Command([self.program, "cache", "dir"], Path("/"), self.environment))
            self._cache = Path(text.strip().splitlines()[-1] if text.strip() else "/nonexistent")
        return self._cache

    async def _link_mode(self, image: Path) -> str:
        """Hard links where the cache is on the same file system; uv warns when it has to find out itself."""
        there = await self.cache_folder()
        while not there.exists():
            there = there.parent
        same = os.stat(there).st_dev == os.stat(image).st_dev
        return self.environment.get("UV_LINK_MODE") or ("hardlink" if same else "copy")


def explain_failure(lines: Sequence[str]) -> str:
    """uv's last words and what to do."""
    start = next((index for index, line in enumerate(lines) if line.lstrip().startswith(("error:", "×"))), 0)
    said = [line.rstrip() for line in lines[start:] if line.strip()]
    if len(said) > _LAST_LINES:
        said = [said[0], "...", *said[2 - _LAST_LINES :]]
    text = "\n".join(said)
    remedy = next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, text)), "see the lines above")
    return f"the packages cannot be installed:\n{text}\nWhat to do: {remedy}."


def _is_passed(name: str) -> bool:
    return _PASSED.fullmatch(name) is not None and _NOT_PASSED.fullmatch(name) is None
