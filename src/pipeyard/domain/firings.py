"""What the clock made of a deployment: the ticks that were due, and when it fires next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import Tick


@dataclass(frozen=True)
class Firing:
    """`deployment` is as it was read: the store refuses a firing of one that was changed since."""

    deployment: Deployment
    ticks: Sequence[Tick]  # ascending, at least one
    next_fire_at: datetime
