"""Runs the coroutine of one execution to its end, its timeout or its cancellation."""

from __future__ import annotations

import asyncio

from . import function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from .worker import Call, Worker

# A coroutine that catches its cancellation has this long to end, then it is abandoned.
_CANCELLED_GRACE_S = 2.0


class Running:
    """The coroutine of one execution. To be made on the event loop, in the execution's context."""

    def __init__(self, worker: Worker, call: Call, awaitable: Awaitable[Any]) -> None:
        self._worker = worker
        self._call = call
        self._cancelled = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(_settled(awaitable))

    def cancel(self) -> None:
        """End it if it has not ended."""
        if not self._cancelled.done():
            self._cancelled.set_result(None)

    async def report(self) -> None:
        """Return when its end is reported."""
        waiting: set[asyncio.Future[Any]] = {self._task, self._cancelled}
        await asyncio.wait(waiting, timeout=self._call.timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            returned, error = (None, asyncio.CancelledError()) if self._task.cancelled() else self._task.result()
            if error is not None:
                self._worker.fail(self._call, function.describe(error))
            else:
                self._worker.succeed(self._call, returned)
            return
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_CANCELLED_GRACE_S)
        goes_on = not self._task.done()
        if self._cancelled.done():
            self._worker.cancelled(self._call, goes_on=goes_on)
        else:
            self._worker.time_out(self._call, goes_on=goes_on)
        if goes_on:
            self._task.add_done_callback(lambda _: self._worker.returned(self._call))


async def _settled(awaitable: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """The result, or what was raised: a SystemExit that left a task would end the loop."""
    try:
        return await awaitable, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error
