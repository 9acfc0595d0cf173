"""Pipelines as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeyard.clock import from_epoch_ms, to_epoch_ms
from pipeyard.domain.pipelines import Origin, Pipeline, PipelineStatus
from pipeyard.domain.records import (
    declaration_from_json,
    declaration_to_json,
    template_from_json,
    template_to_json,
)
from pipeyard.errors import ConflictError
from pipeyard.store.cipher import storable_json
from pipeyard.store.database import Record, Rows
from pipeyard.store.tables import executions, pipelines

_ADD = insert(pipelines)
_ALL = select(pipelines).order_by(pipelines.c.created_at, pipelines.c.id)
_BY_ID = select(pipelines).where(pipelines.c.id == bindparam("pipeline_id"))
_BY_NAME = select(pipelines).where(
    pipelines.c.environment_id == bindparam("environment_id"), pipelines.c.name == bindparam("name")
)
_OF_ENVIRONMENT = _ALL.where(pipelines.c.environment_id == bindparam("environment_id"))
_UNBUILT = _ALL.where(pipelines.c.status == PipelineStatus.CREATION_PENDING.value)
_IMAGES = select(pipelines.c.image).where(pipelines.c.image.is_not(None)).distinct()
_FINISH_BUILD = (
    update(pipelines)
    .where(pipelines.c.id == bindparam("pipeline_id"), pipelines.c.status == PipelineStatus.CREATION_PENDING.value)
    .values(status=bindparam("new_status"), image=bindparam("new_image"))
)
_EXECUTIONS = select(executions.c.id).where(executions.c.pipeline_id == bindparam("pipeline_id"))
_DELETE = delete(pipelines).where(pipelines.c.id == bindparam("pipeline_id"))


class PipelineRows(Rows):
    """Implements `ports.PipelineStore`."""

    async def add_pipeline(self, pipeline: Pipeline) -> None:
        """Raises ConflictError when the name is taken in its environment."""
        row = _to_row(pipeline)

        def add(connection: Connection) -> None:
            try:
                connection.execute(_ADD, row)
            except IntegrityError:
                raise ConflictError(f'a pipeline named "{pipeline.name}" exists already') from None

        await self._database.write(add)

    async def get_pipeline(self, environment_id: str, name: str) -> Pipeline | None:
        """The pipeline of that name."""
        given = {"environment_id": environment_id, "name": name}
        return await self._database.read(lambda c: _from_row(c.execute(_BY_NAME, given).first()))

    async def get_pipeline_by_id(self, pipeline_id: str) -> Pipeline | None:
        """The pipeline of that id."""
        return await self._database.read(lambda c: _from_row(c.execute(_BY_ID, {"pipeline_id": pipeline_id}).first()))

    async def list_pipelines(self, environment_id: str) -> Sequence[Pipeline]:
        """Those of an environment, oldest first."""
        given = {"environment_id": environment_id}
        return await self._database.read(lambda c: _from_rows(c.execute(_OF_ENVIRONMENT, given).all()))

    async def list_unbuilt_pipelines(self) -> Sequence[Pipeline]:
        """Those whose build has not ended, oldest first."""
        return await self._database.read(lambda c: _from_rows(c.execute(_UNBUILT).all()))

    async def list_images(self) -> set[str]:
        """The images that a pipeline still uses."""
        return await self._database.read(lambda c: set(c.execute(_IMAGES).scalars()))

    async def finish_build(self, pipeline_id: str, status: PipelineStatus, image: str | None) -> bool:
        """End CREATION_PENDING. False when it had ended, or the pipeline is gone."""
        given = {"pipeline_id": pipeline_id, "new_status": status.value, "new_image": image}
        return await self._database.write(lambda c: c.execute(_FINISH_BUILD, given).rowcount == 1)

    async def delete_pipeline(self, pipeline_id: str) -> Sequence[str]:
        """The ids of the executions that went with it. Its deployments go by the foreign keys."""
        given = {"pipeline_id": pipeline_id}

        def remove(connection: Connection) -> Sequence[str]:
            ids = connection.execute(_EXECUTIONS, given).scalars().all()
            connection.execute(_DELETE, given)
            return ids

        return await self._database.write(remove)


def _to_row(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "id": pipeline.id,
        "environment_id": pipeline.environment_id,
        "name": pipeline.name,
        "origin": pipeline.origin.value,
        "status": pipeline.status.value,
        "created_at": to_epoch_ms(pipeline.created_at),
        "created_by": pipeline.created_by,
        "commit_id": pipeline.commit_id,
        "image": pipeline.image,
        "declaration": storable_json(declaration_to_json(pipeline.declaration)),
        "template": None if pipeline.template is None else storable_json(template_to_json(pipeline.template)),
    }


def _from_rows(rows: Sequence[Record]) -> list[Pipeline]:
    return [pipeline for row in rows if (pipeline := _from_row(row)) is not None]


def _from_row(row: Record | None) -> Pipeline | None:
    if row is None:
        return None
    return Pipeline(
        id=row.id,
        environment_id=row.environment_id,
        declaration=declaration_from_json(row.declaration),
        origin=Origin(row.origin),
        status=PipelineStatus(row.status),
        created_at=from_epoch_ms(row.created_at),
        created_by=row.created_by,
        commit_id=row.commit_id,
        image=row.image,
        template=None if row.template is None else template_from_json(row.template),
    )
