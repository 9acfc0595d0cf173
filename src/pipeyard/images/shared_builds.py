"""One build at a time per image: who wants the same one waits for it and hears what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Log = Callable[[str], None]
REPLAYED_LINES_LIMIT = 1000


class _Build:
    def __init__(self, work: Callable[[Log], Awaitable[None]]) -> None:
        self.lines: list[str] = []
        self.listeners: list[Log] = []
        self.task = asyncio.ensure_future(self._run(work))

    async def _run(self, work: Callable[[Log], Awaitable[None]]) -> None:
        await work(self._say)

    def _say(self, line: str) -> None:
        if len(self.lines) < REPLAYED_LINES_LIMIT:
            self.lines.append(line)
        for listener in list(self.listeners):
            listener(line)


class SharedBuilds:
    """The builds that are going on, by image."""

    def __init__(self) -> None:
        self._building: dict[str, _Build] = {}

    async def run(self, image: str, work: Callable[[Log], Awaitable[None]], log: Log) -> None:
        """Run `work`, or wait for the one that runs. It ends early when nobody waits for it any more."""
        build = self._building.get(image)
        if build is None:
            build = self._building[image] = _Build(work)
            build.task.add_done_callback(lambda _: self._forget(image, build))
        else:
            log("An equal image is being built already; waiting for it.")
        for line in build.lines:
            log(line)
        build.listeners.append(log)
        try:
            await asyncio.shield(build.task)
        finally:
            build.listeners.remove(log)
            if not build.listeners and not build.task.done():
                # Forgotten first: who comes now must not wait for a build that is being cancelled.
                self._forget(image, build)
                build.task.cancel()
                await asyncio.wait([build.task])

    def _forget(self, image: str, build: _Build) -> None:
        if self._building.get(image) is build:
            del self._building[image]
        if build.task.done() and not build.task.cancelled():
            build.task.exception()  # seen, even if all who waited are gone
