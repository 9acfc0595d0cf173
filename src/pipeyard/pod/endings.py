"""Says in words how a worker or an execution came to its end."""

from __future__ import annotations

import os
import signal

from .protocol import FailureKind, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIGNAL_REMEDIES: dict[int, str] = {
    signal.SIGSEGV: "Native code crashed: check the versions of packages with compiled parts against each other.",
    signal.SIGBUS: "Native code crashed: check memory-mapped files and the versions of packages with compiled parts.",
    signal.SIGILL: "A package was compiled for another processor: install a version built for this one.",
    signal.SIGABRT: "Native code gave up: its last words are in the execution's log.",
    signal.SIGFPE: "Native code crashed in arithmetic: check the versions of packages with compiled parts.",
    signal.SIGKILL: "Nothing in Pipeyard sent it. The machine may have run out of memory: see its kernel log.",
}
_OTHER_SIGNAL = "Nothing in Pipeyard sent it: the code, or a process that it started, did."
# What a request for memory is told to be: a whole number of these.
_STEP_BYTES = 64 * 1024**2
_GIB = 1024**3


class Ending:
    """The outcome of an execution that ended without its function returning, and the reason."""

    __slots__ = ("exit_code", "kind", "message", "outcome", "remedy", "signal")

    def __init__(self, outcome: str, kind: str, message: str, remedy: str | None = None) -> None:
        self.outcome = outcome
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.signal: str | None = None
        self.exit_code: int | None = None

    def failure(self) -> dict[str, Any]:
        """The `failure` of a `finished` event."""
        names = ("kind", "message", "remedy", "signal", "exit_code")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def of_worker(status: int) -> Ending:
    """Why the worker ended, from its wait status."""
    if os.WIFSIGNALED(status):
        return _of_signal(os.WTERMSIG(status))
    code = os.WEXITSTATUS(status)
    ending = Ending(
        Outcome.FAILED,
        FailureKind.EXITED,
        f"the process ended with code {code} before the function returned",
        "Do not call os._exit in a pipeline; a thread or a native library may have done so.",
    )
    ending.exit_code = code
    return ending


def _of_signal(number: int) -> Ending:
    try:
        name = signal.Signals(number).name
    except ValueError:  # one of the real-time signals between the first and the last
        name = f"signal {number}"
    said = f"killed by signal {number}" + (f" ({name})" if name.startswith("SIG") else "")
    # Native code of the user dies of its own signals. Nothing in a pod sends SIGKILL but the kernel or an operator.
    outcome = Outcome.ERROR if number == signal.SIGKILL else Outcome.FAILED
    remedy = _SIGNAL_REMEDIES.get(number) or _OTHER_SIGNAL
    ending = Ending(outcome, FailureKind.SIGNALLED, said, remedy)
    ending.signal = name
    return ending


def is_killed(status: int) -> bool:
    """Whether SIGKILL ended it, which nothing in a pod sends."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def of_memory(most_bytes: int, peak_bytes: int, elastic: bool) -> Ending:
    """The worker was ended because its pod used more memory than it may."""
    most, more = amount(most_bytes), _request(max(most_bytes, peak_bytes) * 5 // 4)
    peaked = f"peaked at {amount(peak_bytes)} of {most}" if peak_bytes else f"used more than its {most}"
    message = f"Out of Memory: the pod {peaked}"
    remedy = f"Raise ram_request to at least {more}, run fewer executions at the same time, or use less memory."
    if elastic:
        remedy = (
            f"Raise ram_request in the pipeline's container_config to at least {more}, use less memory, or ask the "
            "operator to raise elastic_ram_max_bytes."
        )
    return Ending(Outcome.FAILED, FailureKind.OUT_OF_MEMORY, message, remedy)


def of_machine_memory(peak_bytes: int) -> Ending:
    """The kernel ended the worker because the machine, not the pod, had no memory left."""
    used = f"; the pod had used up to {amount(peak_bytes)}" if peak_bytes else ""
    message = f"Out of Memory: the machine had none left, and the kernel ended the pod's process{used}"
    remedy = "Set ram_request: what is requested is kept free for the pod. Or run less on this machine at once."
    return Ending(Outcome.ERROR, FailureKind.OUT_OF_MEMORY, message, remedy)


def of_disk(most_bytes: int) -> Ending:
    """The worker was ended because the files of its pod took more of the disk than they may."""
    message = f"the files of the pod took more than {amount(most_bytes)} of the disk"
    remedy = "Delete files that are not needed any more, or ask the operator to raise pod_disk_max_bytes."
    return Ending(Outcome.FAILED, FailureKind.OUT_OF_DISK, message, remedy)


def amount(size_bytes: int) -> str:
    """For people: "412 MiB", "1.94 GiB"."""
    if size_bytes < _GIB:
        return f"{-(-size_bytes // 1024**2)} MiB"
    return f"{size_bytes / _GIB:.2f}".rstrip("0").rstrip(".") + " GiB"


def _request(size_bytes: int) -> str:
    """As `ram_request` is written, and for people where that says it better: "320MiB", "2560MiB (2.5 GiB)"."""
    steps = -(-size_bytes // _STEP_BYTES)
    written = f"{steps * _STEP_BYTES // 1024**2}MiB"
    return f"{written} ({amount(steps * _STEP_BYTES)})" if steps * _STEP_BYTES >= _GIB else written


def of_start(status: int) -> Ending:
    """Why the worker ended before it could run any user code."""
    message = f"the worker did not start: {of_worker(status).message}"
    return Ending(Outcome.ERROR, FailureKind.PLATFORM, message, "Its last words are in the log.")


def of_slow_import(start_timeout_s: float) -> Ending:
    """The import of the user's module was ended."""
    message = f"the module was not imported within its start_timeout_s of {start_timeout_s:g} s"
    return Ending(Outcome.FAILED, FailureKind.TIMED_OUT, message, "Raise start_timeout_s, or import and load less.")


def of_decision(kind: str, timeout_s: float | None) -> Ending:
    """Why the supervisor ended an execution."""
    if kind == FailureKind.TIMED_OUT:
        message = f"the execution took longer than its timeout of {timeout_s:g} s"
        return Ending(Outcome.FAILED, kind, message, "Raise execution_timeout_s, or make the function faster.")
    if kind == FailureKind.CANCELLED:
        return Ending(Outcome.FAILED, kind, "the execution was cancelled")
    return Ending(Outcome.ERROR, FailureKind.STOPPED, "the pod was stopped while the execution ran")


def read_result(
    result: dict[str, Any], outputs: list[tuple[str, str]]
) -> tuple[str, dict[str, Any] | None, dict[str, str]]:
    """Outcome, failure and files of a worker's `finished` frame. Raises ValueError for what ours would not write."""
    outcome, failure, files = result["outcome"], result.get("failure"), result.get("files") or {}
    if outcome not in (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.ERROR):
        raise ValueError("no outcome")
    if not isinstance(failure, (dict, type(None))):
        raise ValueError("no failure")
    declared = {name for name, data_type in outputs if data_type == "file"}
    if not all(isinstance(text, str) for text in [*files, *files.values()]) or not set(files) <= declared:
        raise ValueError("files that are not declared outputs")
    return outcome, failure, files
