"""What went wrong, on one line, with what to do about it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping
from typing import Any

import typer

from pipeyard.errors import InvalidInputError, PipeyardError

USAGE = 2
_LENGTH_MAX = 2_000
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
_LISTED_BY_LS = ("no object ", "no environment variable ")
_BUILD_ENDED = "The pipeline could not be created:"


class CommandLineError(InvalidInputError):
    """A command line that cannot be, whatever the platform and the files say."""


def describe(error: Exception) -> str:
    """One line: where, what, the remedy."""
    text = _text(error)
    line = "; ".join(part for part in (piece.strip() for piece in text.splitlines()) if part)
    return line if len(line) <= _LENGTH_MAX else f"{line[:_LENGTH_MAX]}…"


def details(error: Exception) -> list[str]:
    """Lines to read before it: the end of a build's log."""
    return str(getattr(error, "message", "")).splitlines()[1:] if _is_of_ours(error) else []


def failure_fields(failure: Mapping[str, Any] | None) -> dict[str, Any]:
    """What there is to show of the failure of an execution or a pod."""
    return {key: value for key, value in (failure or {}).items() if value not in (None, [])}


def exit_status(error: Exception) -> int:
    """2 for a command line that cannot be, 1 for all else."""
    if isinstance(error, CommandLineError):
        return USAGE
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
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return f"what was to be written could not be: {error.strerror}"
    if isinstance(error, UnicodeError):
        return f"{getattr(error, 'object', b'')[:60]!a} is not text in UTF-8"
    if isinstance(error, ValueError):  # an argument that the client refuses before it sends anything
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; PIPEYARD_DEBUG=1 shows where"


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().replace(": Value error, ", ": ").strip().rstrip(".")
    if context is None:
        return message
    return f"{message}; see {context.command_path} --help"


def _is_of_ours(error: Exception) -> bool:
    # The client is imported by the commands that use it; where it is not, none of its errors can have come.
    client = sys.modules.get("pipeyard.sdk.errors")
    return isinstance(error, PipeyardError) or (client is not None and isinstance(error, client.SdkException))


def _ours(error: Exception) -> str:
    first, *log = str(getattr(error, "message", error)).splitlines() or [""]
    message = f"{first.partition('; its log (')[0]}: {_reason(log)}" if log else first
    execution_id = getattr(error, "execution_id", None)
    if execution_id is not None:
        message = f"execution {execution_id} failed: {message}"
    remedy = getattr(error, "remedy", None) or _remedy(getattr(error, "status_code", None), message)
    return message if remedy is None or remedy in message else f"{message}; {remedy}"


def _reason(log: list[str]) -> str:
    """Why a build ended: what its log says from there on; else its last line."""
    starts = [number for number, line in enumerate(log) if line.startswith(_BUILD_ENDED)]
    if not starts:
        return log[-1].strip()
    return " ".join(line.strip() for line in log[starts[-1] :]).removeprefix(_BUILD_ENDED).strip()


def _remedy(status_code: int | None, message: str) -> str | None:
    if status_code == 401:
        return "use `pipeyard login`, or set CRAFT_AI_SDK_TOKEN"
    if status_code == 404:
        if message.startswith(_LISTED_BY_LS):
            return "`ls` shows what there is"
        is_a_thing = message.startswith("no ")
        return "`list` shows what there is" if is_a_thing else "the platform may be older than this command: upgrade it"
    return None
