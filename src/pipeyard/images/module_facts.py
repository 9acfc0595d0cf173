"""A program for the image's interpreter: what a file defines, read without running it; then bytecode for all the code.

Standard library only, Python 3.9+. Arguments: the code folder, the file in it, the function's name.
Prints one line of JSON (see `facts`), then compiles.
"""

from __future__ import annotations

import ast
import json
import os
import py_compile
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_COMPILE_S = 30.0
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_VALUES = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.JoinedStr, ast.ListComp, ast.DictComp)
# Calls that can define names which no reading finds.
_DYNAMIC_CALLS = frozenset({"exec", "eval", "globals", "locals", "vars", "setattr", "__import__"})


def facts(source: bytes, name: str) -> dict[str, Any]:
    """What is certain of the function: "error" (line, text, message) or the keys below."""
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        text = error.text.decode("utf-8", "replace") if isinstance(error.text, bytes) else error.text
        return {"error": [error.lineno, (text or "").strip()[:200], error.msg]}
    except (ValueError, RecursionError, MemoryError) as error:
        return {"error": [None, "", str(error) or "it is nested too deeply"]}
    bindings = list(_bindings(module, name))
    dynamic = _is_dynamic(module, name)
    known: dict[str, Any] = {
        "functions": [node.name for node in module.body if isinstance(node, _FUNCTIONS)],
        "bound": bool(bindings) or dynamic,
        "value": False,
        "parameters": None,
    }
    if len(bindings) != 1 or dynamic or bindings[0] not in module.body:
        return known
    only = bindings[0]
    if isinstance(only, (ast.Assign, ast.AnnAssign)):
        targets = only.targets if isinstance(only, ast.Assign) else [only.target]
        known["value"] = isinstance(only.value, _VALUES) and all(isinstance(target, ast.Name) for target in targets)
    elif isinstance(only, _FUNCTIONS) and not only.decorator_list:
        known["parameters"] = _parameters(only)
    return known


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Any]:
    args = function.args
    positional = [arg.arg for arg in args.posonlyargs + args.args]
    required = positional[: len(positional) - len(args.defaults)]
    # strict= exists from Python 3.10
    required += [arg.arg for arg, default in zip(args.kwonlyargs, args.kw_defaults) if default is None]  # noqa: B905
    return {
        "line": function.lineno,
        "names": [arg.arg for arg in args.args + args.kwonlyargs],
        "required": required,
        "by_position_only": [arg.arg for arg in args.posonlyargs],
        "takes_any": args.kwarg is not None,
        "generates": any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in _inside(function.body)),
    }


def _inside(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every node of this scope, without those of functions and classes in it."""
    stack = list(body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _SCOPES):
            stack.extend(ast.iter_child_nodes(node))


def _bindings(module: ast.Module, name: str) -> Iterator[ast.stmt]:
    """The statements at the top level, or conditional there, that can bind the name."""
    for statement in module.body:
        for node in _inside([statement]):
            if name in _bound_by(node):
                yield statement


def _bound_by(node: ast.AST) -> Iterable[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return (node.name,)
    if isinstance(node, ast.Name):
        return (node.id,) if isinstance(node.ctx, (ast.Store, ast.Del)) else ()
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    if isinstance(node, ast.alias):
        return ()
    # except ... as name; patterns of match (Python 3.10), type aliases and others that carry plain names.
    return [getattr(node, key) for key in ("name", "rest") if isinstance(getattr(node, key, None), str)]


def _is_dynamic(module: ast.Module, name: str) -> bool:
    """Whether the name may come to be, or change, in ways that no reading finds."""
    for node in ast.walk(module):
        if isinstance(node, ast.Global) and name in node.names:
            return True
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return True
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in _DYNAMIC_CALLS:
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("modules", "__dict__", "f_globals"):
            return True
    return any(isinstance(node, _FUNCTIONS) and node.name == "__getattr__" for node in module.body)


def compile_code(code: str) -> None:
    """Bytecode for every .py file, valid wherever the code is copied to. As far as it goes: no file has to compile."""
    deadline = time.monotonic() + _COMPILE_S
    for folder, folders, files in os.walk(code):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        for file in files:
            if time.monotonic() > deadline:
                return
            if file.endswith(".py"):
                _compile(os.path.join(folder, file))


def _compile(path: str) -> None:
    try:
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        py_compile.compile(path, doraise=True, quiet=2, invalidation_mode=mode)
    except (py_compile.PyCompileError, OSError, ValueError, RecursionError, MemoryError, SyntaxError):
        pass


def main() -> None:
    """Run as a program."""
    code, path, name = sys.argv[1:]
    with open(os.path.join(code, path), "rb") as file:
        source = file.read()
    print(json.dumps(facts(source, name)), flush=True)
    compile_code(code)


if __name__ == "__main__":
    main()
