"""The vector database that an operator has configured."""

from __future__ import annotations

from dataclasses import dataclass

from pipeyard.errors import NotFoundError
from pipeyard.settings import Settings
from pipeyard.store_ports import Store


@dataclass(frozen=True)
class VectorDatabaseService:
    """One for all environments of an installation."""

    store: Store
    settings: Settings

    async def get(self, environment_id: str) -> tuple[str, str]:
        """Its url, without port and path, and its token. Raises NotFoundError."""
        if all(environment.id != environment_id for environment in await self.store.list_environments()):
            raise NotFoundError("environment", environment_id)
        if not self.settings.vector_database_url:
            message = "this installation has no vector database; its operator can set vector_database_url"
            raise NotFoundError("vector database", environment_id, message)
        return self.settings.vector_database_url, self.settings.vector_database_token
