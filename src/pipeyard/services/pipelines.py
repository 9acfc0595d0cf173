"""Pipelines: create, look at, wait for, delete."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pipeyard import clock
from pipeyard.domain.claims import Supply
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.log_lines import LogBatch, LogLine, LogRange, Subject
from pipeyard.domain.pipelines import Pipeline, PipelineStatus
from pipeyard.errors import ConflictError, NotFoundError
from pipeyard.ports import Engine
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.code_folders import CodeFolders
from pipeyard.services.endpoint_paths import EndpointPaths
from pipeyard.services.followed_logs import FollowedLogs
from pipeyard.services.notices import Notices
from pipeyard.services.origins import NewPipeline
from pipeyard.store_ports import Store


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
    supply: Supply

    async def create(self, environment_id: str, user_id: str, new: NewPipeline) -> Pipeline:
        """Bring its code here, store the pipeline, start its build.

        Raises ConflictError when the name is taken, InvalidInputError when it needs more memory than there is, and
        whatever bringing the code raises; nothing is left then.
        """
        name, config = new.declaration.name, new.declaration.container_config
        self.supply.check_ram("container_config.ram_request", config.ram_request_bytes)
        if await self.store.get_pipeline(environment_id, name) is not None:
            raise _name_taken(name)
        pipeline_id = uuid.uuid4().hex
        try:
            brought = await new.bring(pipeline_id)
            pipeline = Pipeline(
                id=pipeline_id,
                environment_id=environment_id,
                declaration=new.declaration,
                origin=new.origin,
                status=PipelineStatus.CREATION_PENDING,
                created_at=clock.now(),
                created_by=user_id,
                commit_id=brought.commit_id,
                template=new.template,
            )
            await self.store.add_pipeline(pipeline)
        except BaseException:
            await asyncio.to_thread(self.folders.remove, pipeline_id)
            raise
        await self._say(pipeline, brought.said)
        self.engine.build(pipeline)
        return pipeline

    async def _say(self, pipeline: Pipeline, said: Sequence[str]) -> None:
        """Before its build does, whose lines come after these."""
        if said:
            lines = tuple(LogLine(pipeline.created_at, text) for text in said)
            await self.logs.append(LogBatch(Subject.PIPELINE, pipeline.id, lines))

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
                "or have them deleted with it (force_deployments_deletion=True, --with-deployments)",
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
