"""How much a server has to do right now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeyard.domain.modes import Mode

POD_STATUSES = ("starting", "up", "stopping")


@dataclass(frozen=True)
class Load:
    """Executions and pods of this server. A mode or a status that is not there has none."""

    waiting: Mapping[Mode, int]  # executions that no pod has been given yet
    in_pods: Mapping[Mode, int]  # executions that a pod has been given, and not ended
    pods: Mapping[tuple[Mode, str], int]  # by one of POD_STATUSES
    builds: int  # running and waiting
