"""One pod as the engine sees it: its connection, what it has been given, what it has begun."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from pipeyard.domain.executions import Failure
from pipeyard.domain.log_lines import Subject
from pipeyard.domain.pods import PodPhase, PodRef
from pipeyard.engine.intake import Intake, Records, read_failure
from pipeyard.engine.links import PodLink
from pipeyard.engine.patience import until_done
from pipeyard.errors import PodError
from pipeyard.pod import protocol
from pipeyard.pod.protocol import FailureKind, Frame
from pipeyard.ports import DataStore, Runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """One execution, ready to be sent to a pod."""

    execution_id: str
    values_json: bytes
    files: Mapping[str, str]  # input to its path in the data store
    timeout_s: float | None
    start_timeout_s: float | None = None
    attempt: int = 1


class Pod:
    """Attached to a running pod until the pod is gone. `attend` must run in a task of its own."""

    def __init__(
        self, ref: PodRef, runtime: Runtime, records: Records, on_missing: Callable[[list[str]], None]
    ) -> None:
        self.ref = ref
        self._on_missing = on_missing
        self._runtime = runtime
        self._records = records
        self._link: PodLink | None = None
        self._intake: Intake | None = None
        self._acknowledged = 0
        self._ack_is_due = False
        self._variables: dict[str, str] | None = None
        self.welcomed = asyncio.Event()  # connected, as often as that happens
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self.freed = asyncio.Event()  # set whenever an execution has ended, and when the pod is gone
        self.in_flight: dict[str, int] = {}  # to its attempt: sent or found there, in order, and not ended
        self.started: set[str] = set()  # see `attempt_key`
        self.exit_failure: Failure | None = None
        self.told_to_stop = False
        self.in_threads = False  # its executions run in threads, which nothing can stop
        self._cancelled: set[str] = set()  # it must not start them, or must end them

    @property
    def pod_id(self) -> str:
        """Its id."""
        return self.ref.pod_id

    @property
    def log_subject(self) -> tuple[Subject, str]:
        """A low latency pod's own lines belong to its deployment, an elastic pod's to its execution."""
        if self.ref.deployment_id is not None:
            return Subject.DEPLOYMENT, self.ref.deployment_id
        return Subject.EXECUTION, self.ref.execution_id or self.pod_id

    async def attend(self) -> None:
        """Stay connected until the pod is gone, then learn what it had begun, and remove it."""
        what = f"pod {self.pod_id}"
        try:
            while await until_done(self._is_alive, what):
                await until_done(self._attach, what)
            if self._intake is not None:
                await self._intake.settle()
            state = await until_done(lambda: self._runtime.inspect(self.ref), what)
            self.started |= state.started
            await until_done(lambda: self._runtime.stop(self.ref, 0), what)
        except Exception:
            self.started |= self.in_flight.keys()  # nobody can tell: none of them may run twice
            raise
        finally:
            self.gone.set()
            self.freed.set()

    async def _is_alive(self) -> bool:
        state = await self._runtime.inspect(self.ref)
        return state.phase in (PodPhase.STARTING, PodPhase.READY)

    async def _attach(self) -> None:
        """One connection, from hello to its end."""
        try:
            connection = await self._runtime.connect(self.ref)
        except PodError:
            await self._wait_for_exit(1.0)
            return
        if self._intake is not None:
            await self._intake.settle()
        self._intake = Intake(self, self._records, self._acknowledged)
        link = await PodLink.open(connection, self._on_frame)
        self._link = link
        link.send({"type": "hello", "protocol": protocol.PROTOCOL_VERSION, "acked": self._acknowledged})
        await link.lost.wait()
        self.welcomed.clear()
        self._variables = None  # what was on its way may be lost
        # The supervisor hangs up when it ends: look again once it has.
        await self._wait_for_exit(1.0)

    async def _wait_for_exit(self, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await self._runtime.exited(self.ref)
        except TimeoutError:
            return

    def _on_frame(self, frame: Frame) -> None:
        if frame.type == "welcome":
            self._compare(frame.header.get("executions", {}))
            if frame.header.get("state") == "ready":
                self.in_threads = frame.header.get("in_threads") is True
                self.ready.set()
            self.welcomed.set()
            return
        if frame.type == "ready":
            self.in_threads = frame.header.get("in_threads") is True
            self.ready.set()
        elif frame.type == "started":
            self.started.add(protocol.attempt_key(frame.header["execution_id"], frame.header.get("attempt", 1)))
        elif frame.type == "exited":
            self.exit_failure = read_failure({**frame.header, "kind": frame.header.get("reason")})
        if self._intake is not None:
            self._intake.take(frame)

    def _compare(self, has: dict[str, int]) -> None:
        """What a lost connection swallowed must be sent again; what an earlier server sent is known now."""
        missing = [one for one in self.in_flight if one not in has and not self.has_begun(one)]
        for execution_id in missing:
            del self.in_flight[execution_id]
        # What was sent last counts: an older attempt, whose end is not acknowledged, may be named beside it.
        self.in_flight |= {one: max(attempt, self.in_flight.get(one, 1)) for one, attempt in has.items()}
        for execution_id in self._cancelled.intersection(has):
            self._send_cancel(execution_id)
        if missing:
            self._on_missing(missing)

    def acknowledge(self, number: int) -> None:
        """See `EventSource`."""
        if not self._ack_is_due:
            # One frame for all that becomes durable in this turn of the loop.
            self._ack_is_due = True
            asyncio.get_running_loop().call_soon(self._send_ack)
        self._acknowledged = max(self._acknowledged, number)

    def _send_ack(self) -> None:
        self._ack_is_due = False
        if self._link is not None:
            self._link.send({"type": "ack", "n": self._acknowledged})

    def has(self, execution_id: str, attempt: int) -> bool:
        """See `EventSource`."""
        return self.in_flight.get(execution_id) == attempt

    def has_begun(self, execution_id: str) -> bool:
        """Whether it has begun to run the attempt that it has."""
        return protocol.attempt_key(execution_id, self.in_flight.get(execution_id, 1)) in self.started

    def forget(self, execution_id: str) -> None:
        """See `EventSource`."""
        attempt = self.in_flight.pop(execution_id, 1)
        self.started.discard(protocol.attempt_key(execution_id, attempt))
        self._cancelled.discard(execution_id)
        self.freed.set()

    def resend(self) -> None:
        """See `EventSource`."""
        if self._link is not None:
            self._link.close()

    def cancel(self, execution_id: str) -> None:
        """End an execution whose end is stored: it is in the pod, or is being sent there."""
        self._cancelled.add(execution_id)
        self._send_cancel(execution_id)

    def _send_cancel(self, execution_id: str) -> None:
        if self._link is not None:
            self._link.send({"type": "cancel", "execution_id": execution_id})

    async def send(self, order: Order, variables: Mapping[str, str], files: DataStore) -> bool:
        """Give the pod one execution. What a lost connection swallows is not in the next `welcome` and sent again.

        False: it was cancelled meanwhile, and is not given. Raises PodError when it is not connected, NotFoundError
        when a file is gone: it is not given then either.
        """
        link = self._link
        if link is None:
            raise PodError(f"pod {self.pod_id} is not connected")
        self.in_flight[order.execution_id] = order.attempt
        self._send_variables(link, variables)
        for name, path in order.files.items():
            async for chunk, offset, last in _chunks(files.read(path)):
                link.send(
                    {
                        "type": "file",
                        "execution_id": order.execution_id,
                        "attempt": order.attempt,
                        "name": name,
                        "offset": offset,
                        "last": last,
                    },
                    chunk,
                )
                await link.drained()
        if order.execution_id in self._cancelled:  # from here to the frame nothing else runs
            self.forget(order.execution_id)
            return False
        header = {
            "type": "execute",
            "execution_id": order.execution_id,
            "attempt": order.attempt,
            "files": list(order.files),
            "timeout_s": order.timeout_s,
            "start_timeout_s": order.start_timeout_s,
        }
        link.send(header, order.values_json)
        await link.drained()
        return True

    def _send_variables(self, link: PodLink, variables: Mapping[str, str]) -> None:
        if self._variables != variables:
            self._variables = dict(variables)
            link.send({"type": "environment"}, json.dumps(self._variables).encode())

    def stop(self, grace_s: float) -> None:
        """Ask it to end after what it has, at most `grace_s`."""
        self.told_to_stop = True
        if self._link is not None:
            self._link.send({"type": "stop", "grace_s": grace_s})

    def let_go(self) -> None:
        """Hang up and leave the pod running, for the next server."""
        if self._link is not None:
            self._link.close()

    @property
    def ended_for_cancelled(self) -> bool:
        """Whether it had to end because an execution was cancelled, and nothing is wrong with it."""
        return self.exit_failure is not None and self.exit_failure.kind == FailureKind.CANCELLED

    def lost_failure(self) -> Failure:
        """Why an execution that this pod had begun has no end of its own."""
        if self.exit_failure is not None and self.exit_failure.kind != FailureKind.STOPPED:
            return self.exit_failure
        return Failure(
            FailureKind.LOST,
            f"the pod {self.pod_id} ended before the execution did",
            "Trigger it again; if it happens again, look at the memory of the machine and the server's log.",
        )


async def _chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, int, bool]]:
    """Each chunk with its offset and whether it is the last; an empty file is one empty chunk."""
    offset, held = 0, b""
    async for chunk in stream:
        if held:
            yield held, offset, False
            offset += len(held)
        held = chunk
    yield held, offset, True
