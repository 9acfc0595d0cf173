"""Waking those who wait for a pipeline, a deployment or an execution to change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipeyard.domain.executions import Outcome
from pipeyard.errors import NotFoundError

T = TypeVar("T")


class Notices:
    """In-process news of changes that are committed. A missed notice costs a hold, never a wrong answer."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._expected: dict[str, asyncio.Future[Outcome | None]] = {}
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether every wait is to end."""
        return self._closed

    def notify(self, subject_id: str) -> None:
        """Wake whoever waits for this pipeline, deployment or execution."""
        for changed in self._watchers.get(subject_id, ()):
            changed.set()

    def tell(self, execution_id: str, outcome: Outcome) -> None:
        """Hand the end of an execution, once committed, to the caller that is held for it, and wake the others."""
        expected = self._expected.get(execution_id)
        if expected is not None and not expected.done():
            expected.set_result(outcome)
        self.notify(execution_id)

    def forget(self, subject_id: str) -> None:
        """It was deleted: whoever is held for it hears that it does not exist."""
        expected = self._expected.get(subject_id)
        if expected is not None and not expected.done():
            expected.set_exception(NotFoundError("execution", subject_id))
        self.notify(subject_id)

    async def expect(self, execution_id: str, accept: Awaitable[None], hold_s: float) -> Outcome | None:
        """The end of an execution that `accept` is about to queue; None when the hold has passed before.

        Raises NotFoundError when it is deleted meanwhile.
        """
        expected: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._expected[execution_id] = expected
        try:
            await accept
            if not self._closed:
                await asyncio.wait((expected,), timeout=hold_s)
            return expected.result() if expected.done() else None
        finally:
            del self._expected[execution_id]

    def close(self) -> None:
        """End every wait now: the server is going."""
        self._closed = True
        for expected in self._expected.values():
            if not expected.done():
                expected.set_result(None)
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()

    async def wait_until(self, subject_id: str, check: Callable[[], Awaitable[T | None]], hold_s: float) -> T | None:
        """The first answer of `check` that is not None, asked again at each notice; None when the hold has passed."""
        deadline = asyncio.get_running_loop().time() + hold_s
        # Watch first, then look: a change between the two is not missed.
        with self.watching(subject_id) as changed:
            while True:
                changed.clear()
                answer = await check()
                if answer is not None or self._closed:
                    return answer
                try:
                    async with asyncio.timeout_at(deadline):
                        await changed.wait()
                except TimeoutError:
                    return None

    @contextmanager
    def watching(self, *subject_ids: str) -> Iterator[asyncio.Event]:
        """An event that each notice of one of these sets, and the end of the server."""
        changed = asyncio.Event()
        for subject_id in subject_ids:
            self._watchers.setdefault(subject_id, set()).add(changed)
        try:
            yield changed
        finally:
            for subject_id in subject_ids:
                watchers = self._watchers[subject_id]
                watchers.discard(changed)
                if not watchers:
                    del self._watchers[subject_id]
