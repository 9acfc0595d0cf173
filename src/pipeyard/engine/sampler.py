"""Samples what the machine and the pods are doing, for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta

from pipeyard import clock
from pipeyard.domain.samples import Reading, make_samples
from pipeyard.engine.workshop import Workshop
from pipeyard.ports import Gauge
from pipeyard.settings import Settings

logger = logging.getLogger(__name__)


class Sampler:
    """One reading every `resource_sample_s`, one commit for all that it found."""

    def __init__(
        self,
        workshop: Workshop,
        gauge: Gauge,
        settings: Settings,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._workshop = workshop
        self._gauge = gauge
        self._every_s = settings.resource_sample_s
        self._kept = timedelta(days=settings.resource_keep_days)
        self._pause = pause
        self._worker = socket.gethostname()

    def start(self) -> None:
        """Go on in the background."""
        self._workshop.tasks.start(self.run(), "sampler")

    async def run(self) -> None:
        """For ever. A sample that cannot be had or stored is left out, and its traffic counted with the next."""
        before: Reading | None = None
        while True:
            try:
                before = await self._sample(before)
            except Exception:
                logger.exception("the use of resources could not be sampled; it is tried again")
            await self._pause(self._every_s)

    async def _sample(self, before: Reading | None) -> Reading:
        machine = await asyncio.to_thread(self._gauge.read)
        pods = await self._workshop.runtime.usage(list(self._workshop.attended))
        now = Reading(clock.now(), clock.monotonic_s(), machine, pods)
        if before is not None:  # counters say nothing before there are two readings
            samples = make_samples(self._worker, before, now)
            await self._workshop.store.add_samples(samples, now.at - self._kept)
        return now
