"""What a folder says of itself: which function, which packages, which Python, which files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeyard.cli.deploying.sources import Function, Source, read_source
from pipeyard.cli.texts import read_text
from pipeyard.errors import InvalidInputError

FILES = ("main.py", "app.py", "predict.py", "pipeline.py", "inference.py", "handler.py")
FUNCTIONS = ("main", "predict", "run", "handler", "inference")
EXAMPLE = "example.json"
REQUIREMENTS = "requirements.txt"
_PYTHON = re.compile(r"(?:cpython-)?(\d+)\.(\d+)(?:[.-].*)?")
_LEFT_OUT = ("__pycache__", "node_modules", "venv", "env")
_HOW = "--function FILE.py:FUNCTION"


def find_function(folder: Path, wanted: str | None) -> tuple[Source, Function]:
    """The one that `wanted` names, as `file.py:function` or either half; else the one that convention finds.

    Raises InvalidInputError that says what to write.
    """
    file, _, name = (wanted or "").rpartition(":") if ":" in (wanted or "") else _half(wanted)
    source = read_source(folder, _given_file(folder, file)) if file else _conventional_source(folder, name)
    if name:
        if name not in source.functions:
            has = ", ".join(source.functions) or "none"
            raise InvalidInputError("--function", f'{source.path.as_posix()} has no function "{name}"', has)
        return source, source.functions[name]
    return source, _conventional_function(source)


def _half(wanted: str | None) -> tuple[str, str, str]:
    return (wanted, ":", "") if wanted and wanted.endswith(".py") else ("", ":", wanted or "")


def _given_file(folder: Path, file: str) -> Path:
    place = (folder / file).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise InvalidInputError("--function", f'"{file}" is outside of the folder', f"a file below {folder}")
    if not place.is_file():
        has = ", ".join(path.name for path in sorted(folder.glob("*.py"))) or "no Python file"
        raise InvalidInputError("--function", f'there is no "{file}" in {folder}; it has {has}', _HOW)
    return place.relative_to(folder.resolve())


def _conventional_source(folder: Path, name: str) -> Source:
    """main.py, app.py, ...; the file named as the folder; the only file with a public function."""
    for file in (*FILES, f"{folder.resolve().name}.py"):
        if (folder / file).is_file():
            source = read_source(folder, Path(file))
            if name in source.functions if name else _public(source):
                return source
    sources = [read_source(folder, Path(path.name)) for path in sorted(folder.glob("*.py"))]
    having = [source for source in sources if (name in source.functions if name else _public(source))]
    if len(having) == 1:
        return having[0]
    what = f'a function "{name}"' if name else "a public function"
    found = ", ".join(source.path.name for source in having)
    problem = f"several files have {what}: {found}" if having else f"no Python file at its top has {what}"
    raise InvalidInputError(str(folder), problem, f"main.py with one public function, or {_HOW}")


def _public(source: Source) -> list[str]:
    return [name for name in source.functions if not name.startswith("_")]


def _conventional_function(source: Source) -> Function:
    """The only public one; else the one named `main`, `predict`, ... or as its file."""
    public = _public(source)
    if len(public) == 1:
        return source.functions[public[0]]
    usual = [name for name in dict.fromkeys((*FUNCTIONS, source.path.stem)) if name in public]
    if len(usual) == 1 or (usual and usual[0] == "main"):
        return source.functions[usual[0]]
    file = source.path.as_posix()
    if not public:
        raise InvalidInputError(file, "has no public function at its top level", f"def main(...), or {_HOW}")
    raise InvalidInputError(
        file, f"cannot tell which function to deploy: {', '.join(public)}", f"--function {file}:{(usual or public)[0]}"
    )


def find_requirements(folder: Path) -> str | None:
    """The text of requirements.txt, else the dependencies of pyproject.toml; None without either."""
    place = folder / REQUIREMENTS
    if place.is_file():
        text = place.read_bytes().decode(errors="replace")  # the file itself travels, in whatever pip reads
        return text if text.strip() else None
    dependencies = _project(folder).get("dependencies")
    if not isinstance(dependencies, list) or not dependencies:
        return None
    return "".join(f"{line}\n" for line in dependencies)


def find_language(folder: Path, offered_by_platform: Callable[[], list[str]]) -> str | None:
    """`python:3.X-slim` by .python-version or requires-python, out of those that the platform offers.

    None: it does not matter. Raises InvalidInputError when the platform has none that fits.
    """
    place = folder / ".python-version"
    if place.is_file():
        match = _PYTHON.fullmatch(next(iter(read_text(place).split()), ""))
        if match is None:
            raise InvalidInputError(".python-version", "is not a version of Python", "such as 3.11")
        wanted = f"{match[1]}.{match[2]}"
        offered = offered_by_platform()
        fitting = [language for language in offered if _version(language) == wanted]
        return _one_of(fitting, offered, ".python-version", wanted)
    required = _project(folder).get("requires-python")
    if not isinstance(required, str):
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(required)
    except InvalidSpecifier:
        raise InvalidInputError("pyproject.toml", f'requires-python "{required}" cannot be read', ">=3.10") from None
    offered = offered_by_platform()
    # The newest patch of each: `>=3.11.4` is for somebody who has it.
    fitting = [language for language in offered if specifiers.contains(f"{_version(language)}.99")]
    return _one_of(fitting, offered, "pyproject.toml", required)


def _version(language: str) -> str:
    return language.removeprefix("python:").removesuffix("-slim")


def _one_of(fitting: list[str], offered: list[str], place: str, wanted: str) -> str:
    if not fitting:
        raise InvalidInputError(place, f"asks for Python {wanted}, which the platform has not", ", ".join(offered))
    return fitting[-1]


def find_example(folder: Path) -> dict[str, Any] | None:
    """The inputs of example.json, for the first call. Raises InvalidInputError when it is no JSON object."""
    import json

    place = folder / EXAMPLE
    if not place.is_file():
        return None
    try:
        example = json.loads(place.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(EXAMPLE, f"is not JSON: {error}") from None
    if not isinstance(example, dict):
        raise InvalidInputError(EXAMPLE, "must be a JSON object with the inputs by name")
    return example


def list_files(folder: Path) -> Iterator[Path]:
    """Relative paths of what travels, sorted: not caches, environments, version control and other hidden folders."""
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not _is_left_out(here / name))
        for name in sorted(names):
            if not name.endswith((".pyc", ".pyo")) and name != ".DS_Store" and (here / name).is_file():
                yield (here / name).relative_to(folder)


def _is_left_out(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _LEFT_OUT or (folder / "pyvenv.cfg").exists()


def _project(folder: Path) -> dict[str, Any]:
    """The table `project` of pyproject.toml. Raises InvalidInputError when that is not TOML."""
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    place = folder / "pyproject.toml"
    if not place.is_file():
        return {}
    try:
        project = tomllib.loads(read_text(place)).get("project")
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError("pyproject.toml", f"is not TOML: {error}") from None
    return project if isinstance(project, dict) else {}
