"""What the clock made of a deployment: the ticks that were due, and when it fires next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import Tick
from pipeyard.domain.ticks import Onward


@dataclass(frozen=True)
class Firing:
    """`deployment` is as it was read: the store refuses a firing of one that was changed since."""

    deployment: Deployment
    ticks: Sequence[Tick]  # none: a tick is held back
    onward: Onward

    @property
    def wake_at(self) -> datetime:
        """When the deployment was, or will be, looked at for its next tick."""
        assert self.deployment.wake_at is not None
        return self.deployment.wake_at
