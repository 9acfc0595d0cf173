"""Builds pipelines, a few at once, and goes on with those that an earlier server left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from pipeyard import clock
from pipeyard.domain.log_lines import LogBatch, LogLine, Subject
from pipeyard.domain.pipelines import Pipeline, PipelineStatus
from pipeyard.engine.workshop import Workshop
from pipeyard.errors import BuildError
from pipeyard.ports import BuildRequest

logger = logging.getLogger(__name__)


class Builder:
    """Pipelines from CREATION_PENDING to READY or CREATION_FAILED, with every line of the build in their log."""

    def __init__(self, workshop: Workshop, builds_max: int) -> None:
        self._workshop = workshop
        self._places = asyncio.Semaphore(builds_max)
        self._building: dict[str, asyncio.Task[None]] = {}
        self._last_line: Awaitable[None] | None = None

    def build(self, pipeline: Pipeline) -> None:
        """Queue it."""
        task = self._workshop.tasks.start(self._build(pipeline), f"build {pipeline.name}")
        self._building[pipeline.id] = task
        task.add_done_callback(lambda _: self._building.pop(pipeline.id, None))

    def cancel(self, pipeline_id: str) -> None:
        """Its pipeline was deleted."""
        task = self._building.get(pipeline_id)
        if task is not None:
            task.cancel()

    @property
    def is_idle(self) -> bool:
        """Whether no build is queued or under way."""
        return not self._building

    async def _build(self, pipeline: Pipeline) -> None:
        async with self._places:
            status, image = await self._try(pipeline)
        if self._last_line is not None:
            await self._last_line  # lines end in order: whoever sees the final status can read them all
        await self._workshop.store.finish_build(pipeline.id, status, image)
        self._workshop.notify(pipeline.id)

    async def _try(self, pipeline: Pipeline) -> tuple[PipelineStatus, str | None]:
        variables = await self._workshop.variables.get(pipeline.environment_id)
        request = BuildRequest(pipeline.declaration, self._workshop.folders.code(pipeline.id), variables)
        try:
            image = await self._workshop.images.build(request, lambda line: self._log(pipeline, line))
        except BuildError as error:
            self._log(pipeline, f"The pipeline could not be created: {error.message}")
            return PipelineStatus.CREATION_FAILED, None
        except Exception:
            logger.exception("the build of pipeline %s broke", pipeline.name)
            self._log(pipeline, "The pipeline could not be created: the platform failed; see the server's log.")
            return PipelineStatus.CREATION_FAILED, None
        self._log(pipeline, "The pipeline is ready.")
        return PipelineStatus.READY, image

    def _log(self, pipeline: Pipeline, text: str) -> None:
        lines = tuple(LogLine(clock.now(), line) for line in text.splitlines() or [""])
        self._last_line = self._workshop.records.logs.append(LogBatch(Subject.PIPELINE, pipeline.id, lines))
