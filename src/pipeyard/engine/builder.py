"""Builds pipelines, a few at once, and goes on with those that an earlier server left."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from pipeyard import clock
from pipeyard.domain.log_lines import LogBatch, LogLine, Subject
from pipeyard.domain.pipelines import Pipeline, PipelineStatus
from pipeyard.engine.patience import until_done
from pipeyard.engine.workshop import Workshop
from pipeyard.errors import BuildError
from pipeyard.ports import BuildRequest, LogStore

logger = logging.getLogger(__name__)


class Builder:
    """Pipelines from CREATION_PENDING to READY or CREATION_FAILED, with every line of the build in their log."""

    def __init__(self, workshop: Workshop, builds_max: int) -> None:
        self._workshop = workshop
        self._places = asyncio.Semaphore(builds_max)
        self._building: dict[str, asyncio.Task[None]] = {}

    def build(self, pipeline: Pipeline) -> None:
        """Queue it."""
        task = self._workshop.tasks.start(self._build(pipeline), f"build {pipeline.name}")
        self._building[pipeline.id] = task
        task.add_done_callback(lambda _: self._building.pop(pipeline.id, None))

    @property
    def count(self) -> int:
        """Those that run and those that wait."""
        return len(self._building)

    def cancel(self, pipeline_id: str) -> None:
        """Its pipeline was deleted."""
        task = self._building.get(pipeline_id)
        if task is not None:
            task.cancel()

    async def _build(self, pipeline: Pipeline) -> None:
        log = BuildLog(self._workshop.records.logs, pipeline.id)
        async with self._places:
            began_s = clock.monotonic_s()
            status, image = await self._try(pipeline, log)
            self._workshop.meters.build_ended(status, clock.monotonic_s() - began_s)
        await log.written()
        what = f"the end of the build of pipeline {pipeline.name}"
        await until_done(lambda: self._workshop.store.finish_build(pipeline.id, status, image), what)
        self._workshop.notify(pipeline.id)

    async def _try(self, pipeline: Pipeline, log: BuildLog) -> tuple[PipelineStatus, str | None]:
        what = f"the variables for the build of pipeline {pipeline.name}"
        variables = await until_done(lambda: self._workshop.variables.get(pipeline.environment_id), what)
        request = BuildRequest(pipeline.declaration, self._workshop.folders.code(pipeline.id), variables)
        try:
            image = await self._workshop.images.build(request, log.say)
        except BuildError as error:
            log.say(f"The pipeline could not be created: {error.message}")
            return PipelineStatus.CREATION_FAILED, None
        except Exception:
            logger.exception("the build of pipeline %s broke", pipeline.name)
            log.say("The pipeline could not be created: the platform failed; see the server's log.")
            return PipelineStatus.CREATION_FAILED, None
        log.say(await self._warm(pipeline, image))
        log.say("The pipeline is ready.")
        return PipelineStatus.READY, image

    async def _warm(self, pipeline: Pipeline, image: str) -> str:
        """What the author is told of how executions start. No build fails because of it."""
        try:
            reason = await self._workshop.warm(replace(pipeline, image=image))
        except Exception:
            logger.exception("no zygote could be made for pipeline %s", pipeline.name)
            reason = "the platform failed to make a zygote; see the server's log"
        if reason is None:
            return "Elastic executions start with its imports done, from a zygote."
        return f"Elastic executions start a fresh interpreter: {reason}."


class BuildLog:
    """The lines of one build, stored as they come."""

    def __init__(self, logs: LogStore, pipeline_id: str) -> None:
        self._logs = logs
        self._pipeline_id = pipeline_id
        self._last: asyncio.Future[None] | None = None

    def say(self, text: str) -> None:
        """Append it."""
        lines = tuple(LogLine(clock.now(), line) for line in text.splitlines() or [""])
        batch = LogBatch(Subject.PIPELINE, self._pipeline_id, lines)
        self._last = asyncio.ensure_future(self._logs.append(batch))

    async def written(self) -> None:
        """Lines end in order: after the last, whoever sees the final status can read them all."""
        if self._last is None:
            return
        try:
            await self._last
        except Exception:  # lines that are lost must not leave the pipeline without an end
            logger.exception("the log of a build could not be stored")
