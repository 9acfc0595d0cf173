"""The first process of a pod. It never runs user code, and holds all that must not die with it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket

from . import clock, endings, protocol
from .executions import Execution, Executions
from .inputs import InputFiles
from .lines import LineAssembler
from .link import Link
from .pipes import Pipes
from .protocol import FailureKind, Outcome
from .server_side import ServerSide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .launch import PodFiles
    from .lines import Source
    from .worker_process import WorkerProcess

# After TERM, what is left of user code has this long before it is killed.
KILL_GRACE_S = 1.0
# The worker ends a coroutine at its timeout, and what is cancelled in low latency. What does not end then is ended from
# outside.
WORKER_GRACE_S = 3.0
# What went on after the end of its execution has this long to end by itself before the pod is to be replaced.
ABANDONED_GRACE_S = 0.5
# An elastic worker may run its atexit functions for this long after its execution has finished.
FAREWELL_S = 2.0
# How long results wait for a server that does not return.
UNCLAIMED_MAX_S = 24 * 3600.0
_TERM_GRACE_S = 30.0
_DRAIN_MAX_S = 1.0


class Supervisor:
    """Takes executions from the server, hands them to the worker in turn, and reports what becomes of them."""

    def __init__(self, order: dict[str, Any], files: PodFiles, worker: WorkerProcess) -> None:
        self._order = order
        self._elastic = order["mode"] == "elastic"
        self._ready = False
        self._in_threads = False
        self._done = False
        self._stop_at_s: float | None = None  # no new executions; those that run have until then
        self._kill_at_s: float | None = None
        self._end_at_s: float | None = None  # elastic: the execution has finished
        self._stopping = False
        self._ended_by_signal = False
        self._worker_up = False
        self._worker_gone = False
        self._only_execution: str | None = None  # elastic: all output since its start is its own, atexit's too
        self._abandoned: dict[str, float] = {}  # executions whose functions go on, and until when that is borne
        self._replaced = False  # for what it had abandoned
        self._environment: bytes | None = None  # to be sent to the worker before the next execution
        self._journal_fd, self._exit_fd = files.journal, files.exit
        self._journal_empty = True
        self._exit_said = False
        self._selector = selectors.DefaultSelector()
        self._executions = Executions(order["slots"])
        self._inputs = InputFiles(worker.paths.inputs)
        self._lines = LineAssembler(self._on_lines)
        self._server = ServerSide(self._selector, files.listener, self._welcome, self._on_command)
        self._events = self._server.events
        self._worker = worker
        self._paused = False
        streams = {worker.stdout_fd: "stdout", worker.stderr_fd: "stderr"}
        self._pipes = Pipes(self._selector, streams, self._on_output)
        self._channel = Link(self._selector, worker.channel, self._on_worker_frames)
        self._channel.send({"type": "configure"}, json.dumps(worker.configuration()).encode())
        self._catch_signals()
        if self._elastic:
            self._become_ready()

    def adopt(self, connection: socket.socket, decoder: protocol.Decoder, frames: list[protocol.Frame]) -> None:
        """Take over the connection on which the pod was launched, and what was read from it already."""
        self._server.adopt(connection, decoder)(frames)

    def run(self) -> None:
        """Return when the pod has nothing left to do."""
        self._after_children()  # the worker may have ended before its signal was caught
        while not self._done:
            self._step()
            for key, mask in self._selector.select(self._timeout_s()):
                key.data(mask)
        self._worker.kill()
        if not self._exit_said:
            self._note_exit("completed" if self._end_at_s is not None else "lost", "")

    # What happens after every batch of events.

    def _step(self) -> None:
        now_s = clock.monotonic_s()
        self._enforce_deadlines(now_s)
        self._start_executions()
        self._hold_back()
        self._server.send_events()
        if self._events.empty and not self._executions.running and not self._journal_empty:
            os.ftruncate(self._journal_fd, 0)
            self._journal_empty = True
        self._done = self._is_over(now_s)

    def _is_over(self, now_s: float) -> bool:
        if self._events.empty and (self._worker_gone or self._end_at_s is not None):
            return self._worker_gone or (self._end_at_s is not None and now_s >= self._end_at_s)
        alone_since_s = self._server.alone_since_s
        if alone_since_s is None:
            return False
        if self._worker_gone and self._ended_by_signal:
            return True  # whoever sent it wants the pod gone, and nobody is there to take what it still holds
        idle = not (self._events.unacknowledged_ends() or self._executions.open_attempts())
        return now_s - alone_since_s >= (self._order["orphan_s"] if idle else UNCLAIMED_MAX_S)

    @property
    def _busy(self) -> bool:
        """Whether user code has something to do now."""
        return bool(self._executions.running) or not self._ready

    def _deadlines(self) -> list[float]:
        instants = [self._stop_at_s, self._kill_at_s, self._end_at_s]
        instants += [execution.deadline_s for execution in self._executions.running.values()]
        instants += self._abandoned.values()
        if self._server.alone_since_s is not None:
            instants += [self._server.alone_since_s + wait_s for wait_s in (self._order["orphan_s"], UNCLAIMED_MAX_S)]
        return [instant for instant in instants if instant is not None]

    def _timeout_s(self) -> float | None:
        if self._done:
            return 0
        now_s = clock.monotonic_s()
        coming = [instant for instant in self._deadlines() if instant > now_s]
        if not self._worker_gone:
            coming.append(max(now_s, self._worker.limits.due_s(self._busy)))
        return min(coming) - now_s + 0.001 if coming else None

    def _enforce_deadlines(self, now_s: float) -> None:
        if self._worker_gone:
            return
        if self._worker.limits.look(self._busy):
            self._worker.kill()
        for execution in list(self._executions.running.values()):
            if execution.deadline_s is not None and now_s >= execution.deadline_s:
                execution.deadline_s = None
                self._end_overdue(execution)
        if self._is_draining(now_s) and not (self._stopping or self._executions.running):
            self._replaced = self._stopping = True
        if self._stopping and not self._executions.running and self._kill_at_s is None:
            self._channel.close()  # the worker sees the end of its commands and leaves in good order
            self._stop_at_s, self._kill_at_s = None, now_s + FAREWELL_S
        if self._stop_at_s is not None and now_s >= self._stop_at_s:
            self._stop_at_s = None
            for execution in self._executions.running.values():
                execution.ending = execution.ending or FailureKind.STOPPED
            self._terminate()
        if self._kill_at_s is not None and now_s >= self._kill_at_s:
            self._kill_at_s = None
            self._worker.kill()
            self._after_children()

    def _hold_back(self) -> None:
        if self._events.full != self._paused and not self._worker_gone:
            self._paused = self._events.full
            self._channel.pause(self._paused)
            self._pipes.pause(self._paused)

    # From the server.

    def _welcome(self) -> dict[str, Any]:
        return {
            "type": "welcome",
            "protocol": protocol.PROTOCOL_VERSION,
            "pod_id": self._order["pod_id"],
            "state": "ready" if self._ready else "starting",
            "in_threads": self._in_threads,
            "executions": {**self._events.unacknowledged_ends(), **self._executions.open_attempts()},
        }

    def _on_command(self, frame: protocol.Frame) -> None:
        header = frame.header
        if frame.type == "execute":
            if self._is_new(header):
                self._executions.add(Execution(header, frame.body))
        elif frame.type == "file":
            if self._is_new(header):
                self._inputs.write(header, frame.body)
        elif frame.type == "environment":
            self._environment = frame.body
        elif frame.type == "cancel":
            self._cancel(header["execution_id"])
        elif frame.type == "stop":
            self._stop(float(header["grace_s"]))

    def _is_new(self, header: dict[str, Any]) -> bool:
        """Whether that attempt was not sent before, and none that waits or runs is in its way."""
        execution_id = header["execution_id"]
        is_open = execution_id in self._executions.open_attempts()
        return not is_open and self._executions.attempt(execution_id) < header.get("attempt", 1)

    def _cancel(self, execution_id: str) -> None:
        execution = self._executions.withdraw(execution_id)
        if execution is not None:
            self._finish_as(execution, endings.of_decision(FailureKind.CANCELLED, None))
            return
        execution = self._executions.running.get(execution_id)
        if execution is None or execution.cancelled:
            return
        execution.cancelled = True
        if self._elastic:
            self._end_from_outside(execution, FailureKind.CANCELLED)
            return
        execution.deadline_s = clock.monotonic_s() + WORKER_GRACE_S
        self._channel.send({"type": "cancel", "execution_id": execution_id})
        if not self._order["parallel"]:
            self._worker.interrupt()

    def _end_overdue(self, execution: Execution) -> None:
        kind = FailureKind.CANCELLED if execution.cancelled else FailureKind.TIMED_OUT
        if not self._order["parallel"]:
            self._end_from_outside(execution, kind)
            return
        # The worker's event loop is held up. Its process is that of the neighbours too.
        self._abandoned[execution.id] = clock.monotonic_s()
        self._finish_as(execution, self._decision(execution, kind))

    def _decision(self, execution: Execution, kind: str) -> endings.Ending:
        if kind == FailureKind.TIMED_OUT and execution.is_importing and execution.start_timeout_s is not None:
            return endings.of_slow_import(execution.start_timeout_s)
        return endings.of_decision(kind, execution.timeout_s)

    def _is_draining(self, now_s: float) -> bool:
        """Whether nothing is to be started any more, because something goes on that cannot be ended."""
        return any(now_s >= until_s for until_s in self._abandoned.values())

    def _stop(self, grace_s: float) -> None:
        self._stopping = True
        if self._kill_at_s is None:
            self._stop_at_s = clock.monotonic_s() + grace_s

    # Towards the worker.

    def _start_executions(self) -> None:
        if self._is_draining(clock.monotonic_s()):
            return
        while self._ready and not (self._stopping or self._worker_gone or self._paused or self._end_at_s):
            execution = self._executions.take_next()
            if execution is None:
                return
            self._start(execution)

    def _start(self, execution: Execution) -> None:
        problem = self._inputs.problem(execution.id)
        if problem is not None:
            self._finish_as(execution, endings.Ending(Outcome.ERROR, FailureKind.PLATFORM, problem))
            return
        self._pipes.drain()  # what was written before belongs to no execution
        self._lines.flush(None)
        os.write(self._journal_fd, protocol.attempt_key(execution.id, execution.attempt).encode() + b"\n")
        self._journal_empty = False
        started = {"type": "started", "execution_id": execution.id, "attempt": execution.attempt}
        self._events.add({**started, "at": clock.epoch_ms()})
        if self._elastic:
            self._only_execution = execution.id
            # The import counts to the run, unless it has a clock of its own.
            execution.is_importing = execution.start_timeout_s is not None
            self._set_deadline(execution, execution.start_timeout_s or execution.timeout_s)
        if self._environment is not None:
            self._channel.send({"type": "environment"}, self._environment)
            self._environment = None
        header = {
            "type": "execute",
            "execution_id": execution.id,
            "timeout_s": execution.timeout_s,
            "files": {name: self._inputs.path(execution.id, name) for name in execution.files},
        }
        self._channel.send(header, execution.body)
        execution.body = b""

    def _set_deadline(self, execution: Execution, timeout_s: float | None) -> None:
        execution.deadline_s = None if timeout_s is None else clock.monotonic_s() + timeout_s

    def _end_from_outside(self, execution: Execution, kind: str) -> None:
        if execution.ending is None:
            execution.ending = kind
            self._terminate()

    def _terminate(self) -> None:
        self._worker.terminate()
        self._kill_at_s = clock.monotonic_s() + KILL_GRACE_S

    # From the worker.

    def _on_worker_frames(self, frames: list[protocol.Frame] | None) -> None:
        for frame in frames or ():
            try:
                self._on_worker_frame(frame)
            except Exception as error:
                # User code can reach the channel: what it writes there must not end the supervisor.
                os.write(2, f"a {frame.type} frame that the worker did not write: {error!r}\n".encode())

    def _on_worker_frame(self, frame: protocol.Frame) -> None:
        header = frame.header
        if frame.type == "log":
            execution_id = header["execution_id"]
            known = isinstance(execution_id, str) and self._executions.knows(execution_id)
            stream = "stderr" if header["stream"] == "stderr" else "stdout"
            self._lines.feed((execution_id if known else None, stream), frame.body)
            if known and execution_id not in self._executions.running:
                self._lines.flush(execution_id)  # a thread that outlives its execution
        elif frame.type == "finished":
            execution = self._executions.running.get(header["execution_id"])
            if execution is not None and execution.ending is None:
                self._finish(execution, header, frame.body)
                if header.get("goes_on") is True and not self._elastic:
                    self._abandoned[execution.id] = clock.monotonic_s() + ABANDONED_GRACE_S
            elif execution is None and header.get("goes_on") is not True:
                self._abandoned.pop(header["execution_id"], None)
        elif frame.type == "imported":
            execution = self._executions.running.get(header["execution_id"])
            if execution is not None and execution.is_importing and execution.ending is None:
                execution.is_importing = False
                self._set_deadline(execution, execution.timeout_s)
        elif frame.type == "returned":
            self._abandoned.pop(header["execution_id"], None)
        elif frame.type == "awaiting":
            execution = self._executions.running.get(header["execution_id"])
            if execution is not None and execution.deadline_s is not None:
                execution.deadline_s += WORKER_GRACE_S
        elif frame.type == "up":
            self._worker_up = True
        elif frame.type == "ready":
            self._pipes.drain()
            self._lines.flush(None)
            self._in_threads = header.get("in_threads") is True
            self._become_ready()
        elif frame.type == "import_failed" and not self._ready:
            failure = header["failure"] | {"kind": FailureKind.IMPORT_FAILED}
            self._worker_gone = True  # its process ends by itself
            self._pipes.drain()
            self._say_exited(failure)

    def _become_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._events.add({"type": "ready", "in_threads": self._in_threads})

    def _finish(self, execution: Execution, result: dict[str, Any], body: bytes) -> None:
        names = []
        outcome, failure, files = endings.read_result(result, self._order["outputs"])
        self._pipes.drain()
        self._lines.flush(execution.id)
        try:
            for name, file_name in files.items():
                path = os.path.join(self._worker.paths.outbox, os.path.basename(file_name))
                header = {"type": "file", "execution_id": execution.id, "attempt": execution.attempt, "name": name}
                self._events.add_file(header, path)
                names.append(name)
        except OSError as error:
            outcome = Outcome.ERROR
            failure = endings.Ending(outcome, FailureKind.PLATFORM, f"an output file cannot be read: {error}").failure()
        event: dict[str, Any] = {"outcome": outcome, "files": names}
        if failure is not None:
            event["failure"] = self._with_facts(failure)
        self._say_finished(execution, event, body)

    def _finish_as(self, execution: Execution, ending: endings.Ending) -> None:
        failure = self._with_facts(ending.failure())
        self._say_finished(execution, {"outcome": ending.outcome, "files": [], "failure": failure}, b"{}")

    def _with_facts(self, failure: dict[str, Any]) -> dict[str, Any]:
        return {**failure, **self._worker.limits.memory_facts()}

    def _say_finished(self, execution: Execution, event: dict[str, Any], body: bytes) -> None:
        self._pipes.drain()
        self._lines.flush(execution.id)
        header = {"type": "finished", "execution_id": execution.id, "attempt": execution.attempt}
        self._events.add({**header, "at": clock.epoch_ms(), **event}, body)
        self._executions.end(execution.id)
        self._inputs.remove(execution.id)
        if self._elastic and self._end_at_s is None:
            self._end_at_s = clock.monotonic_s() + FAREWELL_S

    # What the worker writes, and its end.

    def _on_output(self, stream: str, data: bytes) -> None:
        self._lines.feed((self._writing_execution(), stream), data)

    def _writing_execution(self) -> str | None:
        """Whose the raw output is: that of the one that runs. Of several that run in parallel nobody can tell."""
        if self._order["parallel"]:
            return None
        return next(iter(self._executions.running), self._only_execution)

    def _on_lines(self, source: Source, data: bytes) -> None:
        execution_id, stream = source
        header = {"type": "log", "execution_id": execution_id, "stream": stream, "at": clock.epoch_ms()}
        if execution_id is not None:
            header["attempt"] = self._executions.attempt(execution_id)
        self._events.add_log(header, data)

    def _catch_signals(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._wakeup = (reader, writer)  # kept open
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, self._on_signal)

    def _on_term(self, *_: object) -> None:
        self._ended_by_signal = True
        self._stop(_TERM_GRACE_S)

    def _on_signal(self, _mask: int) -> None:
        try:
            while self._wakeup[0].recv(4096):
                pass
        except BlockingIOError:
            pass
        self._after_children()

    def _after_children(self) -> None:
        if self._worker.reap() and not self._worker_gone:
            self._on_worker_exit()

    def _on_worker_exit(self) -> None:
        self._worker.kill()  # what it has started goes with it, and the pipes come to their end
        self._channel.read_now()
        give_up_s = clock.monotonic_s() + _DRAIN_MAX_S
        while not self._pipes.ended and clock.monotonic_s() < give_up_s:
            self._pipes.drain()
        self._worker_gone = True
        ending = self._worker.ending(was_up=self._worker_up)
        decided = None
        farewell = self._end_at_s is not None  # an elastic execution finished before: this end is the good one
        for execution in list(self._executions.running.values()):
            decided = execution.ending or decided
            self._finish_as(execution, self._decision(execution, execution.ending) if execution.ending else ending)
        self._lines.flush_all()
        if farewell:
            return
        self._say_exited(self._exit_failure(ending, decided))

    def _exit_failure(self, ending: endings.Ending, decided: str | None) -> dict[str, Any]:
        if self._replaced:
            message = "it is replaced: a function went on after the end of its execution"
            return {"kind": FailureKind.CANCELLED, "message": message}
        if self._stopping:
            return {"kind": FailureKind.STOPPED, "message": "the pod was stopped"}
        return (ending if decided is None else endings.of_decision(decided, 0)).failure()

    def _say_exited(self, failure: dict[str, Any]) -> None:
        self._lines.flush(None)
        event = {**self._with_facts(failure), "type": "exited", "reason": failure["kind"]}
        del event["kind"]
        self._events.add(event)
        self._note_exit(event["reason"], event["message"])

    def _note_exit(self, reason: str, message: str) -> None:
        os.write(self._exit_fd, json.dumps({"reason": reason, "message": message}).encode())
        self._exit_said = True
