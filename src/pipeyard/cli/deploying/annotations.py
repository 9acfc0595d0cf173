"""What a type annotation says: a data type of inputs and outputs."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeyard.cli.deploying.sources import Source

# Names are enough: a module that calls something else `List` is rare, and the printed plan shows what was understood.
DATA_TYPES = {
    **dict.fromkeys(("str", "Text", "LiteralString", "AnyStr"), "string"),
    **dict.fromkeys(("int", "float", "Number", "Real"), "number"),
    "bool": "boolean",
    **dict.fromkeys(("dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict", "OrderedDict"), "json"),
    **dict.fromkeys(("Any", "object"), "json"),
    **dict.fromkeys(("list", "List", "Sequence", "MutableSequence", "Iterable", "Collection"), "array"),
    **dict.fromkeys(("tuple", "Tuple", "set", "Set", "frozenset", "FrozenSet"), "array"),
    **dict.fromkeys(("Path", "PosixPath", "PurePath", "bytes"), "file"),
}
# The platform gives lists for arrays and {"path": ...} for files.
CONVERTED = frozenset(
    {"tuple", "Tuple", "set", "Set", "frozenset", "FrozenSet", "Path", "PosixPath", "PurePath", "bytes"}
)
_WRAPPERS = ("Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly")
_MODELS = ("BaseModel", "RootModel", "SQLModel")
_DEPTH_MAX = 20


@dataclass(frozen=True)
class Kind:
    """`is_converted`: the function wants something else than the platform gives. `fields`: of a class, by name."""

    data_type: str
    is_optional: bool = False
    is_converted: bool = False
    fields: Mapping[str, Kind] = field(default_factory=dict)


def read_annotation(source: Source, node: ast.expr, depth: int = 0) -> Kind | None:
    """None for what has no data type."""
    if depth > _DEPTH_MAX:
        return None
    deeper = depth + 1
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        quoted = _parsed(node.value)
        return None if quoted is None else read_annotation(source, quoted, deeper)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(source, [node.left, node.right], deeper)
    if isinstance(node, ast.Subscript):
        return _subscript(source, node, deeper)
    name = _last_name(node)
    if name is None:
        return None
    if isinstance(node, ast.Name):
        home, name = source.origin(name)
        found = _class(home, name, deeper) or _alias(home, name, deeper)
        if found is not None:
            return found
        if name in home.classes:
            return None
    return Kind(DATA_TYPES[name], is_converted=name in CONVERTED) if name in DATA_TYPES else None


def _subscript(source: Source, node: ast.Subscript, depth: int) -> Kind | None:
    name = _last_name(node.value)
    if isinstance(node.value, ast.Name):
        name = source.origin(node.value.id)[1]
    arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Optional":
        kind = read_annotation(source, arguments[0], depth)
        return None if kind is None else replace(kind, is_optional=True)
    if name == "Union":
        return _union(source, arguments, depth)
    if name == "Literal":
        return _joined([_constant(argument) for argument in arguments])
    if name in _WRAPPERS:
        return read_annotation(source, arguments[0], depth)
    kind = read_annotation(source, node.value, depth)
    if kind is None:
        return None
    # list[Item]: what stands inside is converted too.
    inner = [read_annotation(source, argument, depth) for argument in arguments]
    return replace(kind, is_converted=kind.is_converted or any(one is not None and one.is_converted for one in inner))


def _union(source: Source, members: list[ast.expr], depth: int) -> Kind | None:
    return _joined([read_annotation(source, member, depth) if not _is_none(member) else _NONE for member in members])


_NONE = Kind("none", is_optional=True)


def _joined(kinds: list[Kind | None]) -> Kind | None:
    """What fits all of them. What is converted can be one only: nobody could tell which is meant."""
    known = [kind for kind in kinds if kind is not None and kind is not _NONE and kind.data_type != "none"]
    is_optional = any(kind is not None and kind.is_optional for kind in kinds)
    if None in kinds or not known:
        return None
    if len(known) == 1:
        return replace(known[0], is_optional=is_optional)
    if any(kind.is_converted for kind in known):
        return None
    types = {kind.data_type for kind in known}
    return Kind(types.pop() if len(types) == 1 else "json", is_optional)


def _constant(node: ast.expr) -> Kind | None:
    if _is_none(node):
        return _NONE
    value = node.value if isinstance(node, ast.Constant) else None
    return Kind(constant_type(value)) if isinstance(value, (str, bool, int, float)) else None


def constant_type(value: object) -> str:
    """The data type of a literal."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, (list, tuple, set)) else "json"


def _alias(source: Source, name: str, depth: int) -> Kind | None:
    """`Vector = list[float]`, `UserId = NewType("UserId", int)`."""
    value = source.values.get(name)
    if value is None:
        return None
    if isinstance(value, ast.Call):
        is_new_type = _last_name(value.func) == "NewType" and len(value.args) == 2
        return read_annotation(source, value.args[1], depth) if is_new_type else None
    return read_annotation(source, value, depth)


def _class(source: Source, name: str, depth: int) -> Kind | None:
    """A class of the folder: TypedDict, dataclass, pydantic model, Enum."""
    node = source.classes.get(name)
    if node is None or depth > _DEPTH_MAX:
        return None
    bases = [base for base in map(_last_name, node.bases) if base is not None]
    inherited = [_class(*source.origin(base), depth + 1) for base in bases]
    above = [kind for kind in inherited if kind is not None]
    if any(base.endswith("Enum") or base == "Flag" for base in bases):
        return _enum(node, bases)
    fields = {name: kind for parent in above for name, kind in parent.fields.items()} | _fields(source, node, depth)
    if "TypedDict" in bases or any(not kind.is_converted for kind in above):
        is_file = list(fields) == ["path"]
        return Kind("file" if is_file else "json", fields=fields)
    is_dataclass = any(
        _last_name(mark.func if isinstance(mark, ast.Call) else mark) == "dataclass" for mark in node.decorator_list
    )
    if is_dataclass or above or set(bases) & set(_MODELS):
        return Kind("json", is_converted=True, fields=fields)
    return None


def _fields(source: Source, node: ast.ClassDef, depth: int) -> dict[str, Kind]:
    found = {}
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            kind = read_annotation(source, statement.annotation, depth)
            found[statement.target.id] = kind or Kind("json")
    return found


def _enum(node: ast.ClassDef, bases: list[str]) -> Kind:
    values = [
        one.value.value for one in node.body if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant)
    ]
    if "str" in bases or "StrEnum" in bases:
        return Kind("string", is_converted=True)
    if "int" in bases or "IntEnum" in bases:
        return Kind("number", is_converted=True)
    types = {constant_type(value) for value in values}
    return Kind(types.pop() if len(types) == 1 else "json", is_converted=True)


def _last_name(node: ast.expr) -> str | None:
    """`Path` of `pathlib.Path`."""
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
