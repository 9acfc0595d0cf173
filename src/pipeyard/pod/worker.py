"""The process in a pod that runs user code."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import sys
import threading

from . import function, hooks, outputs
from .attribution import Attribution
from .channel import Channel
from .interpreter import CHANNEL_FD
from .protocol import GOES_ON, FailureKind, Frame, Outcome
from .variables import Variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

PROGRAM = os.path.dirname(os.path.dirname(__file__))


class Call:
    """One execution, from the worker's side."""

    __slots__ = ("execution_id", "inputs", "timeout_s")

    def __init__(self, frame: Frame) -> None:
        self.execution_id: str = frame.header["execution_id"]
        self.timeout_s: float | None = frame.header["timeout_s"]
        self.inputs: dict[str, Any] = json.loads(frame.body) if frame.body else {}
        for name, path in frame.header["files"].items():
            self.inputs[name] = {"path": path}


class Worker:
    """What all ways to run an execution share."""

    def __init__(self, channel: Channel, configuration: dict[str, Any]) -> None:
        # By its name as a string: in a class body the two underscores would be mangled.
        current_execution_id = importlib.import_module("__craft_internal_execution_context").current_execution_id
        self.channel = channel
        self.elastic = configuration["mode"] == "elastic"
        self.parallel: bool = configuration["parallel"]
        self.current_execution_id = current_execution_id
        self.attribution = Attribution(channel, current_execution_id)
        self.attribution.print_whole_lines()
        self.attribution.carry_into_threads()
        self.variables = Variables(configuration["variables"])
        self.function: Callable[..., Any]
        self.is_coroutine_function = False
        self._configuration = configuration

    def load(self) -> None:
        """Import the user's module. Raises whatever it raises."""
        configuration = self._configuration
        if self.elastic:
            hooks.run_before_execution(configuration["work"])
        self.function = function.load(
            configuration["work"], configuration["function_path"], configuration["function_name"]
        )
        self.is_coroutine_function = function.is_coroutine_function(self.function)

    @property
    def in_threads(self) -> bool:
        """Whether executions run in threads, which nothing can stop."""
        return self.parallel and not self.is_coroutine_function

    def say_ready(self) -> None:
        """From now on executions are sent, and may be interrupted. An elastic worker has its one already."""
        if not self.elastic:
            self.channel.send({"type": "ready", "in_threads": self.in_threads})

    def prepare(self, frame: Frame) -> Call:
        """Bring the process up to date for the execution that starts now."""
        call = Call(frame)
        self.attribution.carry_into_executors()
        self.variables.start_execution(call.execution_id)
        return call

    def succeed(self, call: Call, returned: Any) -> None:
        """Report what the function returned, if it is what the pipeline declares. In the execution's context."""
        declared = [(name, data_type) for name, data_type in self._configuration["outputs"]]
        try:
            checked = outputs.check(declared, returned, self._configuration["outbox"])
        except outputs.InvalidOutput as error:
            remedy = "Return what the pipeline declares, or change its declared outputs."
            self.fail(call, _failure(FailureKind.INVALID_OUTPUT, str(error), remedy))
            return
        except Exception as error:  # objects of the user's may raise from anything that is asked of them
            self.fail(call, function.describe(error, FailureKind.INVALID_OUTPUT))
            return
        for remark in checked.remarks:
            self.attribution.stderr.write(f"pipeyard: {remark}\n")
        self._finish(call, {"outcome": Outcome.SUCCEEDED, "files": checked.files}, checked.body)

    def fail(self, call: Call, failure: dict[str, Any]) -> None:
        """Report a failure of user code, and write it to the execution's log. In the execution's context."""
        self.write_failure(failure)
        self._finish(call, {"outcome": Outcome.FAILED, "files": {}, "failure": failure}, b"{}")

    def write_failure(self, failure: dict[str, Any]) -> None:
        """Write a failure to the log, wherever user code has sent `sys.stderr`."""
        text = failure["traceback"] or failure["message"]
        self.attribution.stderr.write(text if text.endswith("\n") else text + "\n")

    def time_out(self, call: Call, *, goes_on: bool) -> None:
        """Report that the execution took too long. `goes_on`: its function does not end, and cannot be ended."""
        message = f"the execution took longer than its timeout of {call.timeout_s:g} s"
        remedy = "Raise execution_timeout_s, or make the function faster."
        self._give_up(call, FailureKind.TIMED_OUT, message, remedy, goes_on)

    def cancelled(self, call: Call, *, goes_on: bool) -> None:
        """Report that the server has cancelled the execution."""
        self._give_up(call, FailureKind.CANCELLED, "the execution was cancelled", None, goes_on)

    def _give_up(self, call: Call, kind: str, message: str, remedy: str | None, goes_on: bool) -> None:
        failure = _failure(kind, message + GOES_ON if goes_on else message, remedy)
        self.write_failure(failure)
        self._finish(call, {"outcome": Outcome.FAILED, "files": {}, "failure": failure, "goes_on": goes_on}, b"{}")

    def returned(self, call: Call) -> None:
        """Report that a function which went on after the end of its execution has ended."""
        if self.channel.usable:
            self.channel.send({"type": "returned", "execution_id": call.execution_id})

    def _finish(self, call: Call, header: dict[str, Any], body: bytes) -> None:
        if not self.channel.usable:  # a process that user code forked has come back from the function too
            os._exit(0)
        self.channel.send({"type": "finished", "execution_id": call.execution_id, **header}, body)


def work() -> None:
    """Run executions until the supervisor has no more."""
    channel = Channel(CHANNEL_FD)
    frame = channel.receive()
    if frame is None:
        return
    configuration = json.loads(frame.body)
    if "environment" in configuration:
        os.environ.clear()
        os.environ.update(configuration["environment"])
    set_path(configuration["work"])
    sys.argv[:] = [os.path.join(configuration["work"], configuration["function_path"].lstrip("/"))]
    worker = Worker(channel, configuration)
    channel.send({"type": "up"})
    if worker.elastic:
        _run(worker)
        return
    try:
        worker.load()
    except BaseException as error:
        failure = function.describe(error, FailureKind.IMPORT_FAILED)
        worker.write_failure(failure)
        channel.send({"type": "import_failed", "failure": failure})
        return
    _run(worker)


def _run(worker: Worker) -> None:
    if worker.parallel:
        from .parallel import run_parallel  # noqa: PLC0415

        run_parallel(worker)
    else:
        from .queued import run_queued  # noqa: PLC0415

        run_queued(worker)


def set_path(work: str | None = None) -> None:
    """Where modules are looked for."""
    # The user's code comes first, the program last: its folder holds what the public client looks for, and nothing else
    # that could be mistaken for a package of the user's.
    rest = [path for path in sys.path if path != PROGRAM]
    sys.path[:] = ([] if work is None else [work]) + [*rest, PROGRAM]


def start_afresh() -> NoReturn:
    """As the worker of a new interpreter, in the place of this process."""
    python = os.path.join(sys.prefix, "bin", "python")
    os.execv(python, [python, "-I", PROGRAM, "worker"])  # noqa: S606


def leave() -> NoReturn:
    """End as an interpreter does, without taking apart what was never this process's alone."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    os._exit(0)


def _failure(kind: str, message: str, remedy: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "message": message, "remedy": remedy, "traceback": None}
