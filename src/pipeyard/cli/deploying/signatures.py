"""A function as a pipeline declares it: inputs, outputs, descriptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeyard.cli.deploying.annotations import Kind, constant_type, read_annotation
from pipeyard.cli.deploying.docstrings import Doc, read_docstring
from pipeyard.cli.deploying.expressions import own_nodes, read_scope
from pipeyard.cli.deploying.returns import Returned, read_returned
from pipeyard.cli.deploying.sources import Function, Source
from pipeyard.errors import InvalidInputError
from pipeyard.sdk.declarations import Input, Output

ANNOTATIONS = (
    "str, int, float, bool, dict, list, Any, Path or bytes (a file), Literal, Optional of these, "
    "or a TypedDict, dataclass, pydantic model or Enum of this folder"
)
_DECLARABLE = ("string", "number", "boolean")  # other defaults do not travel unchanged


@dataclass(frozen=True)
class Signature:
    """What is declared. `is_adapted`: the function wants other values than the platform gives, or returns others."""

    name: str
    description: str | None
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    lone_output: str | None  # the output that the returned value itself is
    is_adapted: bool


@dataclass(frozen=True)
class Parameter:
    """One of the function. `default` is None where there is none."""

    node: ast.arg
    default: ast.expr | None

    @property
    def name(self) -> str:
        """Its name, and the input's."""
        return self.node.arg


def read_signature(source: Source, function: Function) -> Signature:
    """Raises InvalidInputError naming the line, the problem and what to write."""
    doc = read_docstring(ast.get_docstring(function))
    read = [_read_input(source, function, parameter, doc) for parameter in _parameters(source, function)]
    inputs = [declared for declared, _ in read]
    scope = read_scope(function, {declared.name: declared.data_type for declared in inputs})
    returned = read_returned(source, function, scope, doc)
    return Signature(
        name=function.name,
        description=doc.description or None,
        inputs=tuple(inputs),
        outputs=tuple(_output(name, data_type, doc) for name, data_type in returned.types.items()),
        lone_output=next(iter(returned.types)) if returned.is_lone else None,
        is_adapted=any(is_adapted for _, is_adapted in read) or _is_converted(returned),
    )


def _is_converted(returned: Returned) -> bool:
    return returned.is_lone or returned.is_converted


def _output(name: str, data_type: str, doc: Doc) -> Output:
    said = doc.results.get(name)
    return Output(name, data_type, (said.text or None) if said else None)


def _parameters(source: Source, function: Function) -> Iterator[Parameter]:
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    for node, default in pairs:
        if node in args.posonlyargs and default is None:
            raise InvalidInputError(
                source.place(node), f'{function.name} takes "{node.arg}" by position only', 'no "/": inputs have names'
            )
        if node.arg.startswith("_"):
            if default is None:
                problem = f'the parameter "{node.arg}" cannot be an input'
                raise InvalidInputError(
                    source.place(node), problem, "a name that does not begin with _, or a default value"
                )
            continue  # its default is used
        if node not in args.posonlyargs:
            yield Parameter(node, default)


def _read_input(source: Source, function: Function, parameter: Parameter, doc: Doc) -> tuple[Input, bool]:
    """The input, and whether the function wants something else than the platform gives."""
    name, said = parameter.name, doc.parameters.get(parameter.name)
    has_default = parameter.default is not None
    value, is_literal = _literal(source, parameter.default)
    kind = _kind(source, function, parameter, value, said.data_type if said else None)
    is_declared = value is not None and kind.data_type in _DECLARABLE and constant_type(value) == kind.data_type
    declared = Input(
        name,
        kind.data_type,
        description=(said.text or None) if said else None,
        is_required=not (has_default or kind.is_optional),
        default_value=value if is_declared else None,
    )
    has_own_default = has_default and not is_declared and not (is_literal and value is None)
    return declared, kind.is_converted or has_own_default


def _kind(source: Source, function: Function, parameter: Parameter, value: Any, said: str | None) -> Kind:
    """The annotation decides; then the docstring, the default value, and whether it is used as a file."""
    annotation = parameter.node.annotation
    if annotation is not None:
        kind = read_annotation(source, annotation)
        if kind is None:
            written = ast.unparse(annotation)[:60]
            raise InvalidInputError(
                source.place(parameter.node), f'the input "{parameter.name}": {written} has no data type', ANNOTATIONS
            )
        return kind
    if said is not None:
        return Kind(said)
    if value is not None:
        return Kind(constant_type(value))
    return Kind("file" if _is_used_as_file(function, parameter.name) else "json")


def _is_used_as_file(function: Function, name: str) -> bool:
    """Whether all that it takes of it is `name["path"]`: the platform gives files so."""
    keys = [
        node.slice.value if isinstance(node.slice, ast.Constant) else None
        for node in own_nodes(function)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == name
    ]
    return bool(keys) and all(key == "path" for key in keys)


def _literal(source: Source, default: ast.expr | None) -> tuple[Any, bool]:
    """The default value, also behind a name of the file; (None, False) for one that only running it tells."""
    if default is None:
        return None, False
    if isinstance(default, ast.Name):
        default = source.values.get(default.id, default)
    try:
        return ast.literal_eval(default), True
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None, False
