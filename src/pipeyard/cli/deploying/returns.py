"""The outputs of a function: the keys of the dict that it returns."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from pipeyard.cli.deploying.annotations import Kind, read_annotation
from pipeyard.cli.deploying.docstrings import Doc
from pipeyard.cli.deploying.expressions import Scope, expression_type, own_nodes
from pipeyard.cli.deploying.sources import Function, Source
from pipeyard.errors import InvalidInputError

LONE_OUTPUT = "result"  # what is returned without a dict
WAYS_OUT = (
    'return {"name": value, ...}, or annotate the function: -> float (or str, bool, list, ...) for one value, '
    "-> a TypedDict for several"
)


@dataclass(frozen=True)
class Returned:
    """Data types by output. `is_lone`: the value itself is the output; `is_converted`: it is an object, not a dict."""

    types: dict[str, str]
    is_lone: bool = False
    is_converted: bool = False


def read_returned(source: Source, function: Function, scope: Scope, doc: Doc) -> Returned:
    """Out of the return annotation, else of what is returned. Raises InvalidInputError that says what to write."""
    nodes = list(own_nodes(function))
    yields = next((node for node in nodes if isinstance(node, (ast.Yield, ast.YieldFrom))), None)
    if yields is not None:
        raise InvalidInputError(
            source.place(yields), f"{function.name} uses yield, so a call does not run it", WAYS_OUT
        )
    returns = [node for node in nodes if isinstance(node, ast.Return) and node.value is not None]
    returns = [node for node in returns if not (isinstance(node.value, ast.Constant) and node.value.value is None)]
    annotation = function.returns
    if annotation is not None and not _is_none(annotation):
        kind = read_annotation(source, annotation)
        if kind is not None and not (kind.data_type == "json" and not kind.fields):
            return _of_kind(kind)
    elif not returns:
        return Returned({})
    return _of_values(source, function, scope, returns)


def _of_kind(kind: Kind) -> Returned:
    if kind.data_type == "json":
        is_converted = kind.is_converted or any(one.is_converted for one in kind.fields.values())
        return Returned({name: one.data_type for name, one in kind.fields.items()}, is_converted=is_converted)
    return Returned({LONE_OUTPUT: kind.data_type}, is_lone=True, is_converted=kind.is_converted)


def _of_values(source: Source, function: Function, scope: Scope, returns: list[ast.Return]) -> Returned:
    shapes = [(node, _keys(source, function, scope, node.value)) for node in returns]
    unknown = next((node for node, keys in shapes if keys is None), None)
    if len(returns) == 1 and unknown is not None:
        data_type = expression_type(unknown.value, scope)
        if data_type not in ("json", "file"):
            return Returned({LONE_OUTPUT: data_type}, is_lone=True)
    if unknown is not None or not shapes:
        place = source.place(unknown or function)
        raise InvalidInputError(place, f"cannot tell which outputs {function.name} returns", WAYS_OUT)
    known = [(node, keys) for node, keys in shapes if keys is not None]
    first, wanted = known[0]
    for node, keys in known[1:]:
        if set(keys) != set(wanted):
            differing = ", ".join(sorted(set(keys) ^ set(wanted)))
            raise InvalidInputError(
                source.place(node),
                f"returns other keys than line {first.lineno}: {differing}",
                "the same keys everywhere",
            )
    types = {name: {expression_type(keys[name], scope) for _, keys in known} for name in wanted}
    return Returned({name: found.pop() if len(found) == 1 else "json" for name, found in types.items()})


def _keys(source: Source, function: Function, scope: Scope, node: ast.expr | None) -> dict[str, ast.expr] | None:
    """The keys of a dict and what stands behind them; None where that cannot be told."""
    if isinstance(node, ast.Dict):
        names = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        return dict(zip(names, node.values, strict=True)) if all(isinstance(name, str) for name in names) else None  # type: ignore[arg-type]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        named = {word.arg: word.value for word in node.keywords}
        return None if None in named else named  # type: ignore[return-value]
    if isinstance(node, ast.Name):
        return _keys_of_variable(source, function, scope, node.id)
    return None


def _keys_of_variable(source: Source, function: Function, scope: Scope, name: str) -> dict[str, ast.expr] | None:
    """`outputs = {}` once, then `outputs["key"] = value` on the way that is always taken."""
    given = scope.values.get(name, [])
    begun = _keys(source, function, scope, given[0]) if len(given) == 1 and not isinstance(given[0], ast.Name) else None
    if begun is None:
        return None
    set_always = _set_keys(function.body, name, into_branches=False)
    set_anywhere = _set_keys(function.body, name, into_branches=True)
    sometimes = [key for key in set_anywhere if key not in set_always and key not in begun]
    if sometimes:
        node = set_anywhere[sometimes[0]]
        problem = f'sets "{sometimes[0]}" on some ways only'
        raise InvalidInputError(source.place(node), problem, "a value for each key, whatever happens; None is one")
    if any(_is_changed_otherwise(node, name) for node in own_nodes(function)):
        return None
    return begun | set_anywhere


def _set_keys(statements: list[ast.stmt], name: str, *, into_branches: bool) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for statement in statements:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == name:
                    key = target.slice.value if isinstance(target.slice, ast.Constant) else None
                    if isinstance(key, str):
                        found[key] = statement.value
        elif isinstance(statement, (ast.With, ast.AsyncWith)) or into_branches:
            for field in ("body", "orelse", "finalbody"):
                found |= _set_keys(getattr(statement, field, []), name, into_branches=into_branches)
            for handler in getattr(statement, "handlers", []):
                found |= _set_keys(handler.body, name, into_branches=into_branches)
    return found


def _is_changed_otherwise(node: ast.AST, name: str) -> bool:
    """`outputs.update(...)`, `outputs[key] = ...`, `outputs |= ...`: keys that reading cannot tell."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("update", "setdefault", "pop")
    ):
        return isinstance(node.func.value, ast.Name) and node.func.value.id == name
    is_stored = isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del))
    if is_stored and isinstance(node.value, ast.Name) and node.value.id == name:  # type: ignore[attr-defined]
        return not isinstance(node.slice, ast.Constant) or isinstance(node.ctx, ast.Del)  # type: ignore[attr-defined]
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
