"""Project settings: read and changed, one change at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeyard.domain.projects import Project, change_project
from pipeyard.store_ports import Store


@dataclass(frozen=True)
class ProjectService:
    """What a user can ask of the project settings of an environment."""

    store: Store
    # A change reads, decides and writes: one at a time, or one of two would be undone.
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, environment_id: str) -> Project:
        """The settings, built-in where none were set."""
        return await self.store.get_project(environment_id)

    async def change(self, environment_id: str, fields: Mapping[str, Any]) -> Project:
        """Set those that are named; the others stay. Raises InvalidInputError and changes nothing."""
        async with self._changing:
            project = change_project(await self.get(environment_id), fields)
            await self.store.set_project(environment_id, project)
            return project
