"""Pipelines: create from an archive, look at, wait for, delete."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeyard import clock
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.log_lines import LogLine, LogRange, Subject
from pipeyard.domain.pipelines import Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.errors import ConflictError, NotFoundError
from pipeyard.ports import Engine, Store
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.endpoint_paths import EndpointPaths
from pipeyard.services.followed_logs import FollowedLogs
from pipeyard.services.notices import Notices


@dataclass(frozen=True)
class CodeFolders:
    """Where archives and unpacked code are kept, one of each per pipeline."""

    root: Path

    def archive(self, pipeline_id: str) -> Path:
        """The gzip tar as it was sent."""
        return self.root / pipeline_id / "code.tgz"

    def code(self, pipeline_id: str) -> Path:
        """Its content."""
        return self.root / pipeline_id / "code"

    def remove(self, pipeline_id: str) -> None:
        """Both. Idempotent."""
        shutil.rmtree(self.root / pipeline_id, ignore_errors=True)

    def remove_others(self, pipeline_ids: set[str]) -> None:
        """What a crash between unpacking and the commit left behind."""
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            if folder.name not in pipeline_ids:
                self.remove(folder.name)


@dataclass(frozen=True)
class PipelineService:
    """What a user can ask of pipelines."""

    store: Store
    logs: FollowedLogs
    engine: Engine
    notices: Notices
    folders: CodeFolders
    cleaning: Cleaning
    paths: EndpointPaths

    async def create(
        self,
        environment_id: str,
        user_id: str,
        declaration: PipelineDeclaration,
        unpack: Callable[[Path], None],
    ) -> Pipeline:
        """Keep the code, store the pipeline, start its build. `unpack` fills the folder it is given, or raises.

        Raises ConflictError when the name is taken, and whatever `unpack` raises; nothing is left then.
        """
        if await self.store.get_pipeline(environment_id, declaration.name) is not None:
            raise _name_taken(declaration.name)
        pipeline = Pipeline(
            id=uuid.uuid4().hex,
            environment_id=environment_id,
            declaration=declaration,
            origin=Origin.LOCAL,
            status=PipelineStatus.CREATION_PENDING,
            created_at=clock.now(),
            created_by=user_id,
        )
        try:
            await asyncio.to_thread(unpack, self.folders.root / pipeline.id)
            await self.store.add_pipeline(pipeline)
        except BaseException:
            await asyncio.to_thread(self.folders.remove, pipeline.id)
            raise
        self.engine.build(pipeline)
        return pipeline

    async def get(self, environment_id: str, name: str) -> Pipeline:
        """Raises NotFoundError."""
        pipeline = await self.store.get_pipeline(environment_id, name)
        if pipeline is None:
            raise NotFoundError("pipeline", name)
        return pipeline

    async def wait_until_built(self, environment_id: str, name: str, hold_s: float) -> Pipeline:
        """As `get`, once its build has ended or the hold has passed."""
        pipeline = await self.get(environment_id, name)

        async def built() -> Pipeline | None:
            seen = await self.get(environment_id, name)
            return None if seen.status is PipelineStatus.CREATION_PENDING else seen

        return await self.notices.wait_until(pipeline.id, built, hold_s) or await self.get(environment_id, name)

    async def get_ready(self, environment_id: str, name: str) -> Pipeline:
        """As `get`. Raises ConflictError unless it can run."""
        pipeline = await self.get(environment_id, name)
        if pipeline.status is PipelineStatus.CREATION_PENDING:
            raise ConflictError(f'pipeline "{name}" is still being built; wait until its status is "ready"')
        if pipeline.status is PipelineStatus.CREATION_FAILED:
            raise ConflictError(f'pipeline "{name}" could not be built; see its logs, then delete and create it again')
        return pipeline

    async def list(self, environment_id: str) -> Sequence[Pipeline]:
        """Oldest first."""
        return await self.store.list_pipelines(environment_id)

    async def read_logs(self, environment_id: str, name: str, span: LogRange) -> Sequence[LogLine]:
        """The build's lines."""
        pipeline = await self.get(environment_id, name)
        return await self.logs.read(Subject.PIPELINE, pipeline.id, span)

    async def follow_logs(self, environment_id: str, name: str, *, live: bool) -> AsyncIterator[Sequence[LogLine]]:
        """The build's lines as they come, until it has ended (`live`), or those there are. Raises NotFoundError."""
        pipeline = await self.get(environment_id, name)

        async def is_over() -> bool:
            seen = await self.store.get_pipeline_by_id(pipeline.id)
            return seen is None or seen.status is not PipelineStatus.CREATION_PENDING

        return self.logs.follow(Subject.PIPELINE, pipeline.id, is_over if live else None)

    async def delete(self, environment_id: str, name: str, *, force: bool) -> tuple[Pipeline, Sequence[Deployment]]:
        """The pipeline and the deployments that went with it. Raises ConflictError when it has some and not `force`."""
        pipeline = await self.get(environment_id, name)
        deployments = await self.store.list_deployments(environment_id, pipeline.id)
        if deployments and not force:
            names = ", ".join(deployment.name for deployment in deployments)
            raise ConflictError(
                f'pipeline "{name}" is used by the deployments {names}; delete them first, '
                "or pass force_deployments_deletion=True",
                deployments=[deployment.name for deployment in deployments],
            )
        execution_ids = await self.store.delete_pipeline(pipeline.id)
        self.paths.clear()
        for deployment in deployments:
            await self.engine.stop_deployment(deployment.id, drain=False)
        await self.engine.stop_runs(pipeline.id)
        await asyncio.to_thread(self.folders.remove, pipeline.id)
        await self.cleaning.forget(execution_ids, Subject.DEPLOYMENT, [deployment.id for deployment in deployments])
        await self.cleaning.forget((), Subject.PIPELINE, [pipeline.id])
        for subject_id in (pipeline.id, *(deployment.id for deployment in deployments), *execution_ids):
            self.notices.forget(subject_id)
        return pipeline, deployments


def _name_taken(name: str) -> ConflictError:
    return ConflictError(f'a pipeline named "{name}" exists already; choose another name or delete it first')
