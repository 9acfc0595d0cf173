"""The Python files of a folder, read and never run: where a name comes from."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeyard.errors import InvalidInputError

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Imported:
    """A name out of another module."""

    module: str  # with its leading dots
    name: str


@dataclass(frozen=True)
class Source:
    """One file. `path` is relative to the folder."""

    folder: Path
    path: Path
    tree: ast.Module = field(repr=False)

    def place(self, node: ast.AST) -> str:
        """Such as `main.py:12`."""
        return f"{self.path.as_posix()}:{getattr(node, 'lineno', 1)}"

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Those at the top level, in order."""
        return {node.name: node for node in self.tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Those at the top level."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def values(self) -> dict[str, ast.expr]:
        """What is assigned to a name at the top level; a name assigned twice is left out."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                found.setdefault(node.target.id, []).append(node.value)
        return {name: values[0] for name, values in found.items() if len(values) == 1}

    @cached_property
    def imports(self) -> dict[str, Imported]:
        """`from module import name [as other]`, wherever it stands."""
        return {
            alias.asname or alias.name: Imported("." * node.level + (node.module or ""), alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def origin(self, name: str) -> tuple[Source, str]:
        """The file of the folder that defines a name, and its name there; itself where that is not known."""
        imported = self.imports.get(name)
        if imported is None or name in self.classes or name in self.values:
            return self, name
        for path in self._candidates(imported.module):
            if (self.folder / path).is_file() and path != self.path:
                return read_source(self.folder, path).origin(imported.name)
        return self, imported.name

    def _candidates(self, module: str) -> list[Path]:
        levels = len(module) - len(module.lstrip("."))
        roots = [self.path.parents[min(levels, len(self.path.parents)) - 1]] if levels else [Path(), self.path.parent]
        parts = [part for part in module.lstrip(".").split(".") if part]
        return [
            found
            for root in dict.fromkeys(roots)
            for found in (
                root.joinpath(*parts).with_suffix(".py") if parts else None,
                root.joinpath(*parts, "__init__.py"),
            )
            if found is not None
        ]


def read_source(folder: Path, path: Path) -> Source:
    """The file at `path` in the folder. Raises InvalidInputError when it is not Python."""
    name = path.as_posix()
    try:
        return Source(folder, path, ast.parse((folder / path).read_bytes(), filename=name))
    except SyntaxError as error:
        raise InvalidInputError(f"{name}:{error.lineno or 1}", f"is not Python: {error.msg}") from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidInputError(name, f"cannot be read: {error}") from None
