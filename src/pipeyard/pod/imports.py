"""What a pipeline's zygote does, read from its code without running it: `python -I -S PROGRAM imports CODE FILE`.

Prints JSON: `imports`, [[module, [names that are taken from it]]] in order, without the modules of the code itself, but
with what those import; imports within functions count too. `hooks`: the text of hooks.FILE, or null.
"""

from __future__ import annotations

import ast
import json
import os

from . import hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES_MAX = 1000
_MODULES_MAX = 500
_NAMES_MAX = 100  # of one module
_HOOKS_MAX_CHARS = 20_000  # longer ones are run by each worker


def find(code: str, function_path: str) -> list[tuple[str, list[str]]]:
    """The modules in the order of their names, without what only type checkers see."""
    found: dict[str, set[str]] = {}
    queue = [os.path.normpath(function_path.lstrip("/")), hooks.FILE]
    seen = set(queue)
    while queue:
        file = queue.pop()
        for module, names in _read(code, file):
            own = _own_files(code, module, names)
            if own is None:
                found.setdefault(module, set()).update(names)
            for other in own or ():
                if other not in seen and len(seen) < _FILES_MAX:
                    seen.add(other)
                    queue.append(other)
    return [(module, sorted(found[module])[:_NAMES_MAX]) for module in sorted(found)[:_MODULES_MAX]]


def _read(code: str, file: str) -> list[tuple[str, list[str]]]:
    """The imports of one file, with absolute names."""
    try:
        with open(os.path.join(code, file), "rb") as source:
            tree = ast.parse(source.read())
        return list(_imports(tree, file.split(os.sep)[:-1]))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # the execution itself will say so


def _imports(node: ast.AST, package: list[str]) -> Iterator[tuple[str, list[str]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, []
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
        if module and module != "__future__":
            yield module, [alias.name for alias in node.names]
    elif isinstance(node, ast.If) and _is_never_true(node.test):
        for statement in node.orelse:
            yield from _imports(statement, package)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package)


def _is_never_true(test: ast.expr) -> bool:
    """`if TYPE_CHECKING:`, `if __name__ == "__main__":`."""
    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name) and test.left.id == "__name__"
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _own_files(code: str, module: str, names: list[str]) -> list[str] | None:
    """The files that are read for it; None when it is not of this code."""
    parts = module.split(".")
    top = os.path.join(code, parts[0])
    if not (os.path.isdir(top) or any(name.partition(".")[0] == parts[0] for name in _modules_in(code))):
        return None
    files = []
    for count in range(1, len(parts) + 1):
        files += _files_of(code, parts[:count])
    for name in names:
        files += _files_of(code, [*parts, name])
    return files


def _files_of(code: str, parts: list[str]) -> list[str]:
    path = os.path.join(*parts)
    candidates = (f"{path}.py", os.path.join(path, "__init__.py"))
    return [file for file in candidates if os.path.isfile(os.path.join(code, file))]


def _modules_in(code: str) -> list[str]:
    return [name for name in os.listdir(code) if name.endswith((".py", ".so"))]


def main(code: str, function_path: str) -> None:
    """Print them."""
    print(json.dumps({"imports": find(code, function_path), "hooks": _read_hooks(code)}))


def _read_hooks(code: str) -> str | None:
    try:
        with open(os.path.join(code, hooks.FILE), encoding="utf-8") as file:
            source = file.read(_HOOKS_MAX_CHARS + 1)
    except (OSError, ValueError):
        return None
    return source if len(source) <= _HOOKS_MAX_CHARS else None
