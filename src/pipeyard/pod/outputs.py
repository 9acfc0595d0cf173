"""Checks what the function returned against the pipeline's declared outputs, and makes it JSON."""

from __future__ import annotations

import json
import os

from .depth import DEPTH_MAX, is_too_deep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Beyond this a value is a file. The server may allow less.
VALUES_MAX_BYTES = 64 * 1024 * 1024
_HINTS = {
    "tolist": "convert it with .tolist()",
    "item": "convert it with .item()",
    "to_dict": "convert it with .to_dict()",
}
_FILE_FORM = 'a file output is returned as {"path": "<path of the file>"}'


class InvalidOutput(Exception):  # noqa: N818  it is the user's output that is invalid
    """The function returned something else than was declared. The message is for its author."""


class Outputs:
    """What goes back to the server: `body` is JSON, `files` are names in the outbox, `remarks` are for the log."""

    __slots__ = ("body", "files", "remarks")

    def __init__(self, body: bytes, files: dict[str, str], remarks: list[str]) -> None:
        self.body = body
        self.files = files
        self.remarks = remarks


def check(declared: list[tuple[str, str]], returned: Any, outbox: str) -> Outputs:
    """Raises InvalidOutput that names the output and what to do."""
    remarks: list[str] = []
    if not isinstance(returned, dict):
        if declared:
            keys = ", ".join(f'"{name}"' for name, _ in declared)
            raise InvalidOutput(f"the function returned {_kind(returned)}; it must return a dict with the keys {keys}")
        return Outputs(b"{}", {}, remarks)
    undeclared = [str(key) for key in returned if key not in {name for name, _ in declared}]
    if undeclared:
        remarks.append(f"returned but not declared as outputs, ignored: {', '.join(undeclared)}")
    missing = [name for name, _ in declared if name not in returned]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        have = ", ".join(f'"{key}"' for key in returned) or "none"
        raise InvalidOutput(f"the returned dict lacks the declared output {names}; its keys are: {have}")
    encoded = {}
    paths = {}
    for name, data_type in declared:
        value = returned[name]
        if data_type == "file" and value is not None:
            paths[name] = _file_path(name, value)
        else:
            _check_type(name, data_type, value)
            encoded[name] = _encode(name, value, remarks)
            _check_depth(name, value, encoded[name])
    body = b"{" + b",".join(json.dumps(name).encode() + b":" + text for name, text in encoded.items()) + b"}"
    if len(body) > VALUES_MAX_BYTES:
        raise InvalidOutput(f"the outputs are {len(body)} bytes of JSON; return what is large as a file output")
    return Outputs(body, {name: _copy(name, path, outbox) for name, path in paths.items()}, remarks)


def _check_type(name: str, data_type: str, value: Any) -> None:
    if value is None or data_type in ("json", "file"):
        return
    accepted: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "number": (int, float),
        "boolean": (bool,),
        "array": (list, tuple),
    }
    wanted = accepted.get(data_type)
    if wanted is None or (isinstance(value, wanted) and not (data_type == "number" and isinstance(value, bool))):
        return
    raise InvalidOutput(f'the output "{name}" must be {_article(data_type)}, not {_kind(value)}{_hint(value)}')


def _check_depth(name: str, value: Any, text: bytes) -> None:
    """After the encoding, which refuses what holds itself."""
    if text.count(b"[") + text.count(b"{") > DEPTH_MAX and is_too_deep(value):
        problem = f"is nested more than {DEPTH_MAX} levels deep"
        raise InvalidOutput(f'the output "{name}" {problem}; return it flatter, or as a file output')


def _encode(name: str, value: Any, remarks: list[str]) -> bytes:
    try:
        try:
            return json.dumps(value, allow_nan=False).encode()
        except ValueError as error:
            if "circular" in str(error).lower():
                raise
        cleaned = _without_nan(value)
        text = json.dumps(cleaned, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        found = _unserialisable(value, "") or ("", value)
        where = f" at {found[0]}" if found[0] else ""
        problem = f"{_kind(found[1])}{where} cannot be written as JSON{_hint(found[1])}"
        if isinstance(error, (ValueError, RecursionError)):
            problem = f"it cannot be written as JSON: {error}"
        raise InvalidOutput(f'the output "{name}": {problem}') from None
    remarks.append(f'the output "{name}" holds NaN or Infinity, which JSON lacks: they become null')
    return text


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        # Keys that are not finite numbers are left to fail: null is no key.
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value


def _unserialisable(value: Any, where: str, depth: int = 0) -> tuple[str, Any] | None:
    """The first part of `value` that JSON has no form for, and where it is."""
    if depth > 50 or value is None or isinstance(value, (str, int, float)):
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            if not (key is None or isinstance(key, (str, int, float))):
                return (f"{where}[{key!r}] (its key)", key)
            found = _unserialisable(item, f"{where}[{key!r}]", depth + 1)
            if found:
                return found
        return None
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            found = _unserialisable(item, f"{where}[{index}]", depth + 1)
            if found:
                return found
        return None
    return (where, value)


def _file_path(name: str, value: Any) -> str:
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidOutput(f'the output "{name}" is {_kind(value)}; {_FILE_FORM}')
    if not os.path.isfile(path):
        problem = "is not a file" if os.path.exists(path) else "does not exist"
        raise InvalidOutput(f'the output "{name}": the file "{os.fspath(path)}" {problem} (seen from {os.getcwd()})')
    return os.fspath(path)


def _copy(name: str, path: str, outbox: str) -> str:
    """Copy the file: the user's function may use its path again at once. Returns its name in the outbox."""
    import shutil  # noqa: PLC0415  most executions have no file output

    copy = os.urandom(8).hex()
    try:
        shutil.copyfile(path, os.path.join(outbox, copy))
    except OSError as error:
        raise InvalidOutput(f'the output "{name}": the file "{path}" cannot be copied: {error.strerror}') from None
    return copy


def _article(data_type: str) -> str:
    return {"array": "an array (list or tuple)", "boolean": "a boolean (bool)"}.get(data_type, f"a {data_type}")


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _hint(value: Any) -> str:
    module = type(value).__module__.partition(".")[0]
    if module == "builtins":
        return ""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return f": {_HINTS['item']}"
    return next((f": {hint}" for name, hint in _HINTS.items() if hasattr(value, name)), "")
