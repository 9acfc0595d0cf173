"""Removes what nothing refers to any more, after a crash or a deletion, and what the operator does not want to keep."""

from __future__ import annotations

import asyncio
import logging
import shutil
from datetime import timedelta
from pathlib import Path

from pipeyard import clock
from pipeyard.engine.retention import Retention
from pipeyard.engine.workshop import Workshop
from pipeyard.services.data_store import DataStoreService

logger = logging.getLogger(__name__)

SWEEP_EVERY_S = 3600.0
UPLOADS_KEPT = timedelta(days=1)  # in parts, begun and not ended


class Janitor:
    """Sweeps at the start and then every hour."""

    def __init__(self, workshop: Workshop, uploads: Path, data_store: DataStoreService, retention: Retention) -> None:
        self._workshop = workshop
        self._uploads = uploads
        self._data_store = data_store
        self._retention = retention

    async def start(self) -> None:
        """Before anything is received: what lies in the folder for uploads belongs to requests that are gone."""
        await asyncio.to_thread(shutil.rmtree, self._uploads, ignore_errors=True)
        await self._sweep_code()
        open_ids = {execution.id for execution in await self._workshop.store.list_open_executions()}
        await asyncio.to_thread(self._workshop.records.output_files.forget_others, open_ids)
        self._workshop.tasks.start(self._sweep_for_ever(), "janitor")

    async def _sweep_code(self) -> None:
        """Only at the start: later, a folder without a row may be a pipeline that is just being created."""
        store = self._workshop.store
        known = [await store.list_pipelines(environment.id) for environment in await store.list_environments()]
        pipeline_ids = {pipeline.id for pipelines in known for pipeline in pipelines}
        await asyncio.to_thread(self._workshop.folders.remove_others, pipeline_ids)

    async def _sweep_for_ever(self) -> None:
        while True:
            for name, sweep in (
                ("unused images", self._sweep_images),
                ("unfinished uploads", self._sweep_uploads),
                ("old executions", self._retention.sweep_executions),
                ("old log lines", self._retention.sweep_logs),
                ("old files", self._retention.sweep_files),
            ):
                try:
                    await sweep()
                except Exception:
                    logger.exception("the janitor could not remove %s; it tries again later", name)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _sweep_images(self) -> None:
        await self._workshop.images.remove_unused(await self._workshop.store.list_images())

    async def _sweep_uploads(self) -> None:
        await self._data_store.sweep(clock.now() - UPLOADS_KEPT)
