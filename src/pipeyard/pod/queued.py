"""One execution at a time: `def` in the main thread, `async def` on one persistent event loop."""

from __future__ import annotations

import contextvars
import json

from . import function
from .protocol import FailureKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from .worker import Call, Worker

# A coroutine that catches its cancellation has this long to end.
CANCELLED_GRACE_S = 2.0


def run_queued(worker: Worker) -> None:
    """Run what the supervisor sends, one after the other. An elastic worker runs one."""
    coroutines = Coroutines(worker)
    while True:
        frame = worker.channel.receive()
        if frame is None:
            return
        if frame.type == "environment":
            worker.variables.refresh(json.loads(frame.body))
        elif frame.type == "execute":
            call = worker.prepare(frame)
            worker.attribution.owner_of_pipes = call.execution_id
            contextvars.copy_context().run(_run_one, worker, coroutines, call)
            worker.attribution.owner_of_pipes = None
            if worker.elastic:
                return


def _run_one(worker: Worker, coroutines: Coroutines, call: Call) -> None:
    worker.current_execution_id.set(call.execution_id)
    if worker.elastic:
        try:
            worker.load()
        except BaseException as error:
            worker.fail(call, function.describe(error, FailureKind.IMPORT_FAILED))
            return
    try:
        returned = worker.function(**call.inputs)
        if hasattr(returned, "__await__"):
            coroutines.run(call, returned)
            return
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: the pod goes on
        worker.fail(call, function.describe(error))
        return
    worker.succeed(call, returned)


class Coroutines:
    """Runs coroutines on a loop that stays: what they leave on it goes on with the next execution."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancelled = False

    def run(self, call: Call, coroutine: Any) -> None:
        """Run to its end, its timeout or its cancellation, and report."""
        import asyncio  # noqa: PLC0415

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        if self._worker.elastic:
            self._worker.channel.send({"type": "awaiting", "execution_id": call.execution_id})
        self._cancelled = False
        task = asyncio.ensure_future(settle(coroutine), loop=self._loop)
        self._loop.add_reader(self._worker.channel.fileno(), self._on_readable, call, task)
        try:
            ended = self._loop.run_until_complete(_ended(task, call.timeout_s))
        finally:
            self._loop.remove_reader(self._worker.channel.fileno())
        if self._cancelled:
            self._worker.cancelled(call)
        elif not ended:
            self._worker.time_out(call)
        else:
            report(self._worker, call, task)

    def _on_readable(self, call: Call, task: asyncio.Future[Any]) -> None:
        frames = self._worker.channel.receive_arrived()
        if frames is None:
            self._loop.remove_reader(self._worker.channel.fileno())  # type: ignore[union-attr]
            return
        for frame in frames:
            if frame.type == "cancel" and frame.header["execution_id"] == call.execution_id:
                self._cancelled = True
                task.cancel()
        self._worker.channel.put_back([frame for frame in frames if frame.type != "cancel"])


async def settle(awaitable: Any) -> tuple[Any, BaseException | None]:
    """The result, or what was raised: a SystemExit that left a task would end the loop."""
    import asyncio  # noqa: PLC0415

    try:
        return await awaitable, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error


def report(worker: Worker, call: Call, task: asyncio.Future[tuple[Any, BaseException | None]]) -> None:
    """Report the end of a task made of `settle`."""
    import asyncio  # noqa: PLC0415

    returned, error = (None, asyncio.CancelledError()) if task.cancelled() else task.result()
    if error is not None:
        worker.fail(call, function.describe(error))
    else:
        worker.succeed(call, returned)


async def _ended(task: asyncio.Future[Any], timeout_s: float | None) -> bool:
    """Whether the task ended before its timeout. Beyond it the task is cancelled, then abandoned."""
    import asyncio  # noqa: PLC0415

    done, _ = await asyncio.wait({task}, timeout=timeout_s)
    if done:
        return True
    task.cancel()
    await asyncio.wait({task}, timeout=CANCELLED_GRACE_S)
    return False
