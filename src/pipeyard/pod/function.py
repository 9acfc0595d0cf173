"""Loads the user's function, and describes what goes wrong in it without the frames of this program."""

from __future__ import annotations

import os
import sys

from .protocol import FailureKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from traceback import FrameSummary, TracebackException
    from typing import Any

_PROGRAM = os.path.dirname(__file__)
# What user code calls of ours, or is interrupted by: it may stand at the end.
_WITHIN = tuple(os.path.join(_PROGRAM, name) for name in ("attribution.py", "interrupts.py"))
_MESSAGE_MAX_CHARS = 4_000
_TRACEBACK_MAX_CHARS = 64_000
_CO_COROUTINE = 0x80
_CO_ITERABLE_COROUTINE = 0x100


class LoadError(Exception):
    """The module has no such function. The message is for its author."""


def load(work: str, function_path: str, function_name: str) -> Callable[..., Any]:
    """Execute the file at `function_path` as a module and return its function.

    By its path, because names such as `part-1.py` cannot be imported; under the name by which `import` would find it,
    because pickle and processes started by multiprocessing look it up again.
    """
    import importlib.util  # noqa: PLC0415

    relative = os.path.normpath(function_path.lstrip("/"))
    path = os.path.join(work, relative)
    if not os.path.isfile(path):
        raise LoadError(f'there is no file "{relative}" in the pipeline\'s code')
    parts = os.path.splitext(relative)[0].split(os.sep)
    name = ".".join(part.replace(".", "_") for part in parts)
    if name in sys.modules:  # `__main__.py`, or the name of a module that this program has imported
        name = f"pipeline.{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f'"{relative}" is not a Python file')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    function: Any = getattr(module, function_name, None)
    if not callable(function):
        raise LoadError(_no_function(relative, function_name, vars(module), function is not None))
    return function  # type: ignore[no-any-return]


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """As `inspect` says, without its import."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    target = function if hasattr(function, "__code__") else getattr(function, "__call__", function)  # noqa: B004
    code = getattr(target, "__code__", None)
    marked = getattr(function, "_is_coroutine_mark", None) or getattr(function, "_is_coroutine", None)
    return bool(code is not None and code.co_flags & (_CO_COROUTINE | _CO_ITERABLE_COROUTINE)) or marked is not None


def describe(error: BaseException, kind: str = FailureKind.RAISED) -> dict[str, Any]:
    """The `failure` for an exception of user code."""
    if isinstance(error, LoadError):
        remedy = "Correct function_path or function_name and create the pipeline again."
        return {"kind": FailureKind.IMPORT_FAILED, "message": str(error), "remedy": remedy, "traceback": None}
    import traceback  # noqa: PLC0415

    message = "".join(traceback.format_exception_only(type(error), error)).strip()
    if isinstance(error, SyntaxError):
        message = message.rpartition("\n")[2]
    try:
        shown = traceback.TracebackException(type(error), error, error.__traceback__)
        _leave_out_ours(shown)
        text = "".join(shown.format())
    except Exception:  # an exception whose own __str__ raises, a source file that cannot be read
        text = message
    return {
        "kind": kind,
        "message": _shortened(message, _MESSAGE_MAX_CHARS),
        "remedy": None if kind == FailureKind.CANCELLED else _remedy(error),
        "traceback": _shortened(text, _TRACEBACK_MAX_CHARS),
    }


def _leave_out_ours(raised: TracebackException) -> None:
    """Frames of this program, and those of the standard library through which it called, of all that it came from."""
    chain: list[TracebackException | None] = [raised]
    while chain:
        shown = chain.pop()
        if shown is not None:
            shown.stack[:] = _user_part(shown.stack)
            chain += [shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())]


def _user_part(frames: list[FrameSummary]) -> list[FrameSummary]:
    # By all other frames of ours it is called.
    ours = [number for number, frame in enumerate(frames) if _is_ours(frame.filename)]
    callers = [number for number in ours if frames[number].filename not in _WITHIN]
    part = [frame for frame in frames[callers[-1] + 1 if callers else 0 :] if not _is_ours(frame.filename)]
    while part and part[0].filename.startswith("<frozen importlib"):
        del part[0]
    return part


def _is_ours(file: str) -> bool:
    return file.startswith(_PROGRAM)


def _remedy(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f'Add the package that provides "{error.name}" to requirements_path, or its file to included_folders.'
    if isinstance(error, MemoryError):
        return "Process less at once, raise ram_request, or use a machine with more memory."
    if isinstance(error, BlockingIOError) or error.args == ("can't start new thread",):  # what fork and threads say
        return "The pod has all the processes and threads that it may have (pod_max_processes): start fewer at a time."
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "Return from the function instead of ending the process."
    return None


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit // 4]}\n[... {len(text) - limit} characters left out ...]\n{text[-(limit * 3 // 4) :]}"


def _no_function(path: str, name: str, names: dict[str, Any], exists: bool) -> str:
    if exists:
        return f'"{name}" in "{path}" is not a function'
    others = sorted(key for key, value in names.items() if callable(value) and not key.startswith("_"))
    have = f"it defines {', '.join(others)}" if others else "it defines none"
    return f'there is no function "{name}" in "{path}"; {have}'
