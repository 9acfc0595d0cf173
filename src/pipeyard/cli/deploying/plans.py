"""What a deploy is going to do: read from the folder, nothing done yet."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeyard.cli.deploying.folders import (
    REQUIREMENTS,
    find_function,
    find_language,
    find_requirements,
    list_files,
)
from pipeyard.cli.deploying.signatures import Signature, read_signature
from pipeyard.errors import InvalidInputError

ENTRY, CONVERSIONS = "pipeyard_entry.py", "pipeyard_conversions.py"
HASH_LENGTH = 10
NAME_LENGTH_LIMIT = 100 - HASH_LENGTH - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FOLDER_BYTES_LIMIT = 200_000_000


@dataclass(frozen=True)
class Plan:
    """A pipeline to create. `generated` are files that travel beside those of the folder, by path."""

    folder: Path
    name: str
    function_path: str
    signature: Signature
    language: str | None
    has_requirements: bool
    generated: dict[str, str]
    digest: str

    @property
    def pipeline_name(self) -> str:
        """One name per content: a pipeline never changes."""
        return f"{self.name}-{self.digest}"

    @property
    def function_name(self) -> str:
        """In the file at `entry_path`."""
        return self.signature.name

    @property
    def entry_path(self) -> str:
        """The file with the function that the platform calls."""
        return ENTRY if ENTRY in self.generated else self.function_path

    def container_config(self, staged: Path) -> dict[str, Any]:
        """Of a folder that `staged` gave."""
        config: dict[str, Any] = {"local_folder": str(staged), "included_folders": ["/"]}
        if self.has_requirements:
            config["requirements_path"] = REQUIREMENTS
        return config | ({} if self.language is None else {"language": self.language})

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A folder with all that travels."""
        with tempfile.TemporaryDirectory(prefix="pipeyard-deploy-") as place:
            for path in list_files(self.folder):
                (Path(place) / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.folder / path, Path(place) / path)
            for name, text in self.generated.items():
                (Path(place) / name).write_text(text, "utf-8")
            yield Path(place)


def make_plan(folder: Path, name: str, function: str | None, languages: Callable[[], list[str]]) -> Plan:
    """Read the folder. `languages`: what the platform offers, asked for when it matters.

    Raises InvalidInputError that says what to write.
    """
    if not folder.is_dir():
        raise InvalidInputError(str(folder), "is not a folder", "a folder with the code")
    source, node = find_function(folder, function)
    signature = read_signature(source, node)
    requirements = find_requirements(folder)
    generated = _adapter(source.path, signature) if signature.is_adapted else {}
    if requirements is not None and not (folder / REQUIREMENTS).is_file():
        generated[REQUIREMENTS] = requirements
    language = find_language(folder, languages)
    said = json.dumps(
        [
            source.path.as_posix(),
            signature.name,
            signature.description,
            [declared.to_dict() for declared in (*signature.inputs, *signature.outputs)],
            language,
            generated,
        ]
    )
    return Plan(
        folder=folder,
        name=name,
        function_path=source.path.as_posix(),
        signature=signature,
        language=language,
        has_requirements=requirements is not None,
        generated=generated,
        digest=_digest(folder, said),
    )


def choose_name(folder: Path, name: str | None) -> str:
    """The given one, else the folder's with what names cannot have replaced. Raises InvalidInputError."""
    wanted = folder.resolve().name if name is None else name
    usable = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-._") if name is None else wanted
    if not _NAME.fullmatch(usable) or usable == "v1":
        raise InvalidInputError(
            "name", f'"{usable}" is not a name', "letters, digits, _ . -, the first a letter or a digit"
        )
    if len(usable) > NAME_LENGTH_LIMIT:
        raise InvalidInputError("name", f"has {len(usable)} characters", f"at most {NAME_LENGTH_LIMIT}")
    return usable


def _adapter(path: Path, signature: Signature) -> dict[str, str]:
    """Files that stand between the platform and a function that wants objects."""
    parts = path.with_suffix("").parts
    if not all(part.isidentifier() for part in parts):
        problem = f"is adapted to the types of {signature.name}, so it must be importable"
        raise InvalidInputError(path.as_posix(), problem, "a file name of letters, digits and _")
    lone = "" if signature.lone_output is None else f", {signature.lone_output!r}"
    entry = (
        f"from {'.'.join(parts)} import {signature.name} as _function\n"
        f"from {CONVERSIONS.removesuffix('.py')} import adapt\n\n"
        f"{signature.name} = adapt(_function{lone})\n"
    )
    return {ENTRY: entry, CONVERSIONS: Path(__file__).with_name("conversions.py").read_text("utf-8")}


def _digest(folder: Path, said: str) -> str:
    """Of all that decides what runs. Raises InvalidInputError for a folder that is too large to be code."""
    digest, size = hashlib.sha256(said.encode()), 0
    for path in list_files(folder):
        place = folder / path
        size += place.stat().st_size
        if size > _FOLDER_BYTES_LIMIT:
            limit = f"at most {_FOLDER_BYTES_LIMIT // 1_000_000} MB; large data belongs in the data store"
            raise InvalidInputError(str(folder), f"is too large to travel as code, at {path}", limit)
        executable = os.access(place, os.X_OK)
        digest.update(b"\0%b\0%b\0" % (os.fsencode(path.as_posix()), str(executable).encode()))
        digest.update(hashlib.sha256(place.read_bytes()).digest())
    return digest.hexdigest()[:HASH_LENGTH]
