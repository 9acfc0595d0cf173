"""The clients, and their environments below .compat/: `python -m tests.compat.clients.environments` makes them."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CACHE = ROOT / ".compat"
UV = Path(sys.executable).with_name("uv")
DRIVER = HERE / "driver.py"


@dataclass(frozen=True)
class ClientSpec:
    """One client: `class_path` is `module:class`, `version` what PyPI has; without it, it is in our own environment."""

    name: str
    class_path: str
    version: str | None = None
    is_old: bool = False  # of the generation before deployments could be updated and pipelines were nested

    @property
    def python(self) -> Path:
        """The interpreter that has it. Makes its environment if there is none, or one of another lock."""
        return Path(sys.executable) if self.version is None else _made(self.version)

    @property
    def methods(self) -> frozenset[str]:
        """The names of its public methods."""
        return _methods(self)


CLIENTS = [
    ClientSpec("craft-ai-sdk 0.51.0", "craft_ai_sdk:CraftAiSdk", "0.51.0", is_old=True),
    ClientSpec("craft-ai-sdk 0.74.7", "craft_ai_sdk:CraftAiSdk", "0.74.7"),
    ClientSpec("pipeyard", "pipeyard:CraftAiSdk"),
]


def public_methods() -> frozenset[str]:
    """The methods of the published clients, which every client is measured by."""
    return frozenset().union(*(spec.methods for spec in CLIENTS if spec.version is not None))


@functools.cache
def _made(version: str) -> Path:
    lock, folder = HERE / version / "requirements.txt", CACHE / version
    python, mark = folder / "bin" / "python", folder / ".made-of"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    CACHE.mkdir(exist_ok=True)
    with (CACHE / ".lock").open("w") as lane:
        fcntl.flock(lane, fcntl.LOCK_EX)  # two runs of the tests may begin at once
        if not python.exists() or not mark.is_file() or mark.read_text() != digest:
            _uv("venv", "--clear", "--python", sys.executable, str(folder))
            _uv("pip", "sync", "--compile-bytecode", "--require-hashes", "--python", str(python), str(lock))
            mark.write_text(digest)
    return python


def _uv(*command: str) -> None:
    subprocess.run([str(UV), *command, "--quiet"], check=True)


@functools.cache
def _methods(spec: ClientSpec) -> frozenset[str]:
    command = [str(spec.python), "-I", str(DRIVER), spec.class_path, "--methods"]
    return frozenset(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


if __name__ == "__main__":
    for client in CLIENTS:
        print(client.name, client.python)
