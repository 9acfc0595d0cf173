"""Who may ask: users and environments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class User:
    """A person with an SDK token."""

    id: str
    name: str
    email: str


@dataclass(frozen=True)
class Environment:
    """Pipelines, deployments and variables that share one URL and nothing with other environments."""

    id: str
    name: str
    created_at: datetime
