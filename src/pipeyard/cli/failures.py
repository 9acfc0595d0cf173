"""What went wrong, on one line, with what to do about it."""

from __future__ import annotations

import sys

import typer

USAGE = 2
_LENGTH_MAX = 2_000


def describe(error: Exception) -> str:
    """One line: where, what, the remedy."""
    text = _text(error)
    line = "; ".join(part for part in (piece.strip() for piece in text.splitlines()) if part)
    return line if len(line) <= _LENGTH_MAX else f"{line[:_LENGTH_MAX]}…"


def details(error: Exception) -> list[str]:
    """Lines to read before it: the end of a build's log, the traceback of the user's code."""
    extra = getattr(error, "additional_data", None)
    traceback = extra.get("traceback") if isinstance(extra, dict) else None
    lines = str(getattr(error, "message", "")).splitlines()[1:] if _is_of_ours(error) else []
    return [*lines, *(traceback.rstrip().splitlines() if isinstance(traceback, str) else [])]


def exit_status(error: Exception) -> int:
    """2 for a command line that cannot be, 1 for all else."""
    return error.exit_code if isinstance(error, typer.TyperException) else 1


def _text(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, typer.Abort):
        return "aborted"
    if _is_of_ours(error):
        return _ours(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or error}"
    if isinstance(error, ValueError):  # an argument that the client refuses before it sends anything
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; PIPEYARD_DEBUG=1 shows where"


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().strip().rstrip(".")
    if context is None:
        return message
    return f"{message}; see {context.command_path} --help"


def _is_of_ours(error: Exception) -> bool:
    from pipeyard.errors import PipeyardError

    # The client is imported by the commands that use it; where it is not, none of its errors can have come.
    client = sys.modules.get("pipeyard.sdk.errors")
    return isinstance(error, PipeyardError) or (client is not None and isinstance(error, client.SdkException))


def _ours(error: Exception) -> str:
    first, *others = str(getattr(error, "message", error)).splitlines() or [""]
    # The last line of a log says why it ended.
    message = f"{first.partition('; its log (')[0]}: {others[-1].strip()}" if others else first
    remedy = getattr(error, "remedy", None) or _remedies().get(getattr(error, "status_code", None) or 0)
    return f"{message}; {remedy}" if remedy and remedy not in message else message


def _remedies() -> dict[int, str]:
    return {
        401: "use `pipeyard login`, or set CRAFT_AI_SDK_TOKEN",
        404: "`list` shows what there is",
    }
