"""One execution at a time: `def` in the main thread, `async def` on one persistent event loop."""

from __future__ import annotations

import contextvars
import json

from . import function
from .interrupts import Cancelled, Interrupts
from .protocol import FailureKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from .coroutines import Running
    from .worker import Call, Worker


def run_queued(worker: Worker) -> None:
    """Run what the supervisor sends, one after the other. An elastic worker runs one."""
    loop, interrupts = _Loop(worker), Interrupts(worker.channel)
    worker.say_ready()
    while True:
        frame = worker.channel.receive()
        if frame is None:
            return
        if frame.type == "environment":
            worker.variables.refresh(json.loads(frame.body))
        elif frame.type == "execute":
            call = worker.prepare(frame)
            worker.attribution.owner_of_pipes = call.execution_id
            contextvars.copy_context().run(_run_one, worker, loop, interrupts, call)
            worker.attribution.owner_of_pipes = None
            if worker.elastic:
                return


def _run_one(worker: Worker, loop: _Loop, interrupts: Interrupts, call: Call) -> None:
    worker.current_execution_id.set(call.execution_id)
    if worker.elastic:
        try:
            worker.load()
        except BaseException as error:
            worker.fail(call, function.describe(error, FailureKind.IMPORT_FAILED))
            return
        worker.channel.send({"type": "imported", "execution_id": call.execution_id})
    try:
        returned = interrupts.call(worker.function, call)
        if hasattr(returned, "__await__"):
            loop.run(call, returned)
            return
    except Cancelled as error:
        worker.fail(call, function.describe(error, FailureKind.CANCELLED))
        return
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: the pod goes on
        worker.fail(call, function.describe(error))
        return
    worker.succeed(call, returned)


class _Loop:
    """An event loop that stays: what a coroutine leaves on it goes on with the next."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, call: Call, awaitable: Any) -> None:
        """Run to the end, and report it."""
        import asyncio  # noqa: PLC0415  a function that is no coroutine does not pay for it

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        if self._worker.elastic:
            self._worker.channel.send({"type": "awaiting", "execution_id": call.execution_id})
        self._loop.run_until_complete(self._run(self._loop, call, awaitable))

    async def _run(self, loop: asyncio.AbstractEventLoop, call: Call, awaitable: Any) -> None:
        from .coroutines import Running  # noqa: PLC0415  imports asyncio

        running = Running(self._worker, call, awaitable)
        channel = self._worker.channel.fileno()
        loop.call_soon(self._obey, loop, call, running)  # what has been read together with `execute`
        loop.add_reader(channel, self._obey, loop, call, running)
        try:
            await running.report()
        finally:
            loop.remove_reader(channel)

    def _obey(self, loop: asyncio.AbstractEventLoop, call: Call, running: Running) -> None:
        frames = self._worker.channel.receive_arrived()
        if frames is None:
            loop.remove_reader(self._worker.channel.fileno())
            return
        for frame in frames:
            if frame.type == "cancel" and frame.header["execution_id"] == call.execution_id:
                running.cancel()
        self._worker.channel.put_back([frame for frame in frames if frame.type != "cancel"])
