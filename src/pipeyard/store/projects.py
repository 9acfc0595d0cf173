"""Project settings as rows, one per environment."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from pipeyard.domain.projects import Project
from pipeyard.domain.records import config_from_json, config_to_json
from pipeyard.errors import NotFoundError
from pipeyard.store.cipher import storable_json
from pipeyard.store.database import Rows
from pipeyard.store.tables import projects

_OF_ENVIRONMENT = select(projects).where(projects.c.environment_id == bindparam("of_environment"))
_DELETE = delete(projects).where(projects.c.environment_id == bindparam("of_environment"))


class ProjectRows(Rows):
    """The part of `ports.UserStore` that is about projects."""

    async def set_project(self, environment_id: str, project: Project) -> None:
        """Create or replace it. Raises NotFoundError when the environment is gone."""
        key = project.deploy_key
        row = {
            "environment_id": environment_id,
            "config": storable_json(config_to_json(project.config)),
            "deploy_key": None if key is None else self._cipher.encrypt(key),
        }

        def replace(connection: Connection) -> None:
            connection.execute(_DELETE, {"of_environment": environment_id})
            try:
                connection.execute(insert(projects), row)
            except IntegrityError:
                raise NotFoundError("environment", environment_id) from None

        await self._database.write(replace)

    async def get_project(self, environment_id: str) -> Project:
        """The built-in settings where none were set."""
        given = {"of_environment": environment_id}
        row = await self._database.read(lambda c: c.execute(_OF_ENVIRONMENT, given).first())
        if row is None:
            return Project()
        key = None if row.deploy_key is None else self._cipher.decrypt(row.deploy_key)
        return Project(config_from_json(row.config), key)
