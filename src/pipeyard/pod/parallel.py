"""Several executions at a time: `async def` as tasks of one event loop, each `def` in a new thread."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  before user code uses it, so that it can be taught whose work it does
import contextvars
import json
import threading

from . import function
from .coroutines import Running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .protocol import Frame
    from .worker import Call, Worker


def run_parallel(worker: Worker) -> None:
    """Run what the supervisor sends, which sends no more at once than the deployment allows."""
    worker.say_ready()
    asyncio.run(_Parallel(worker).serve())


class _Parallel:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._running: dict[str, tuple[Running, asyncio.Task[None]]] = {}  # the coroutines
        # The threads' executions whose end has not been reported, each with the context of its log.
        self._open: dict[str, tuple[Call, contextvars.Context]] = {}
        self._lock = threading.Lock()

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def on_readable() -> None:
            frames = self._worker.channel.receive_arrived()
            if frames is None:
                loop.remove_reader(self._worker.channel.fileno())
                over.set()
                return
            for frame in frames:
                self._obey(frame)

        on_readable()  # what was read together with the configuration
        loop.add_reader(self._worker.channel.fileno(), on_readable)
        await over.wait()

    def _obey(self, frame: Frame) -> None:
        if frame.type == "environment":
            self._worker.variables.refresh(json.loads(frame.body))
        elif frame.type == "cancel":
            self._cancel(frame.header["execution_id"])
        elif frame.type == "execute":
            call = self._worker.prepare(frame)
            context = contextvars.copy_context()
            context.run(self._worker.current_execution_id.set, call.execution_id)
            context.run(self._start, call, context)

    def _cancel(self, execution_id: str) -> None:
        coroutine, thread = self._running.get(execution_id), self._open.get(execution_id)
        if coroutine is not None:
            coroutine[0].cancel()
        elif thread is not None:
            call, context = thread
            context.run(self._abandon, call, self._worker.cancelled)

    def _start(self, call: Call, context: contextvars.Context) -> None:
        if self._worker.is_coroutine_function:
            running = Running(self._worker, call, self._call(call))
            reporting = asyncio.get_running_loop().create_task(self._run_coroutine(call, running))
            self._running[call.execution_id] = (running, reporting)
            return
        self._open[call.execution_id] = (call, context)
        threading.Thread(target=self._run_in_thread, args=(call,), name=call.execution_id, daemon=True).start()
        if call.timeout_s is not None:
            asyncio.get_running_loop().call_later(call.timeout_s, self._abandon, call, self._worker.time_out)

    def _run_in_thread(self, call: Call) -> None:
        try:
            returned = self._worker.function(**call.inputs)
            if hasattr(returned, "__await__"):
                returned = asyncio.run(_awaited(returned))
        except BaseException as error:
            if self._close(call):
                self._worker.fail(call, function.describe(error))
            else:
                self._worker.returned(call)
            return
        if self._close(call):
            self._worker.succeed(call, returned)
        else:
            self._worker.returned(call)

    def _abandon(self, call: Call, report: Callable[..., None]) -> None:
        """End the execution of a thread; the thread itself goes on."""
        if self._close(call):
            report(call, goes_on=True)

    def _close(self, call: Call) -> bool:
        """Whether it is this caller that reports the end: there is one report."""
        with self._lock:
            return self._open.pop(call.execution_id, None) is not None

    async def _run_coroutine(self, call: Call, running: Running) -> None:
        try:
            await running.report()
        finally:
            del self._running[call.execution_id]

    async def _call(self, call: Call) -> Any:
        return await self._worker.function(**call.inputs)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
