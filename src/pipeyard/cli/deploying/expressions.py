"""The data type that an expression has, as far as reading tells. `json` where it does not: that takes any value."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeyard.cli.deploying.annotations import constant_type
from pipeyard.cli.deploying.sources import Function

ANY = "json"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_BY_CALL = {
    **dict.fromkeys(("len", "int", "float", "round", "sum", "abs", "ord", "item"), "number"),
    **dict.fromkeys(("perf_counter", "monotonic", "process_time", "time"), "number"),
    **dict.fromkeys(
        ("str", "repr", "format", "chr", "join", "strip", "upper", "lower", "title", "isoformat"), "string"
    ),
    **dict.fromkeys(("decode", "read_text", "dumps"), "string"),
    **dict.fromkeys(("list", "sorted", "tolist", "split", "splitlines"), "array"),
    **dict.fromkeys(("bool", "isinstance", "any", "all", "startswith", "endswith"), "boolean"),
}
_DEPTH_MAX = 20


@dataclass(frozen=True)
class Scope:
    """What is known of the names in a function: types of parameters, and every expression that a name is given."""

    parameters: Mapping[str, str]
    values: Mapping[str, list[ast.expr | None]]


def own_nodes(function: ast.AST) -> Iterable[ast.AST]:
    """The nodes of a function without those of the functions and classes inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, _SCOPES):
            yield child
            yield from own_nodes(child)


def read_scope(function: Function, parameters: Mapping[str, str]) -> Scope:
    """Every assignment counts, wherever it stands; None is one that nothing is known of. `x += y` changes no type."""
    values: dict[str, list[ast.expr | None]] = {}
    for node in own_nodes(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                _assign(values, target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            _assign(values, node.target, node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            _assign(values, node.target, None)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            _assign(values, node.optional_vars, None)
    return Scope(parameters, values)


def _assign(values: dict[str, list[ast.expr | None]], target: ast.expr, value: ast.expr | None) -> None:
    if isinstance(target, ast.Name):
        values.setdefault(target.id, []).append(value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        given = value.elts if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts) else None
        for index, element in enumerate(target.elts):
            _assign(values, element, given[index] if given is not None else None)


def expression_type(node: ast.expr | None, scope: Scope, depth: int = 0) -> str:
    """Of what it gives when it gives JSON at all."""
    if node is None or depth > _DEPTH_MAX:
        return ANY
    if isinstance(node, ast.Constant):
        return ANY if node.value is None else constant_type(node.value)
    if isinstance(node, ast.JoinedStr):
        return "string"
    if isinstance(node, (ast.List, ast.ListComp, ast.Tuple)):
        return "array"
    if isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        return "boolean"
    if isinstance(node, ast.Dict):
        return "file" if is_file_form(node) else ANY
    return _computed(node, scope, depth + 1)


def _computed(node: ast.expr, scope: Scope, depth: int) -> str:
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        return _BY_CALL.get(name, ANY)
    if isinstance(node, ast.UnaryOp):
        return expression_type(node.operand, scope, depth)
    if isinstance(node, ast.Await):
        return ANY
    if isinstance(node, ast.IfExp):
        return _common([node.body, node.orelse], scope, depth)
    if isinstance(node, ast.BoolOp):
        return _common(node.values, scope, depth)
    if isinstance(node, ast.BinOp):
        return _operation(node, scope, depth)
    if isinstance(node, ast.Name):
        given = scope.values.get(node.id)
        if given is None:
            return scope.parameters.get(node.id, ANY)
        return ANY if node.id in scope.parameters else _common(given, scope, depth)
    return ANY


def _common(nodes: Iterable[ast.expr | None], scope: Scope, depth: int) -> str:
    types = {expression_type(node, scope, depth) for node in nodes}
    return types.pop() if len(types) == 1 else ANY


def _operation(node: ast.BinOp, scope: Scope, depth: int) -> str:
    if isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow)):
        return "number"  # whatever else these give is no JSON
    sides = [expression_type(side, scope, depth) for side in (node.left, node.right)]
    if isinstance(node.op, ast.Mod):
        return {"string": "string", "number": "number"}.get(sides[0], ANY)
    for data_type in ("string", "array"):
        if data_type in sides and isinstance(node.op, (ast.Add, ast.Mult)):
            return data_type
    if isinstance(node.op, ast.Add):
        return "number" if "number" in sides else ANY
    return "number" if sides == ["number", "number"] else ANY


def is_file_form(node: ast.Dict) -> bool:
    """Whether it is `{"path": ...}`, which stands for a file."""
    return len(node.keys) == 1 and isinstance(node.keys[0], ast.Constant) and node.keys[0].value == "path"
