"""How many executions may be open, per deployment and in all: queues are bounded."""

from __future__ import annotations

from collections import Counter

from pipeyard.errors import QueueFullError

RETRY_AFTER_S = 1


class Places:
    """Counts open executions. `None` stands for the runs, which have no deployment."""

    def __init__(self, most: int, most_in_all: int) -> None:
        self._most = most
        self._taken: Counter[str | None] = Counter()
        self._owners: dict[str, str | None] = {}
        self.most_in_all = most_in_all
        self.taken_in_all = 0

    def take(self, deployment_id: str | None) -> None:
        """A place for an execution that is being accepted, after `check`."""
        self._taken[deployment_id] += 1
        self.taken_in_all += 1

    def check(self, deployment_id: str | None) -> None:
        """Raises QueueFullError when there is no place."""
        taken = self._taken.get(deployment_id, 0)
        if taken >= self._most:
            whose = "of runs" if deployment_id is None else "of this deployment"
            raise _full(f"{taken} executions {whose} are open, the limit (queue_max_executions is the setting)", taken)
        if self.taken_in_all >= self.most_in_all:
            raise _full(
                f"{self.taken_in_all} executions are open on this platform, the limit (queue_max_total_executions is "
                "the setting)",
                taken,
            )

    def give_back(self, deployment_id: str | None) -> None:
        """The execution was not accepted after all."""
        self.taken_in_all -= 1
        self._taken[deployment_id] -= 1
        if self._taken[deployment_id] <= 0:
            del self._taken[deployment_id]

    def occupy(self, execution_id: str, deployment_id: str | None) -> None:
        """The execution that a place was taken for is accepted."""
        self._owners[execution_id] = deployment_id

    def adopt(self, execution_id: str, deployment_id: str | None) -> None:
        """An execution that an earlier server accepted counts, beyond the limit too."""
        self.take(deployment_id)
        self._owners[execution_id] = deployment_id

    def has(self, execution_id: str) -> bool:
        """Whether it is accepted, and open."""
        return execution_id in self._owners

    def leave(self, execution_id: str) -> str | None:
        """The execution has ended, or is gone. The deployment that it left, at the first time."""
        if execution_id not in self._owners:
            return None
        deployment_id = self._owners.pop(execution_id)
        self.give_back(deployment_id)
        return deployment_id

    def forget(self, deployment_id: str) -> None:
        """The deployment is gone with all its executions."""
        for execution_id in [one for one, owner in self._owners.items() if owner == deployment_id]:
            self.leave(execution_id)


def _full(message: str, before: int) -> QueueFullError:
    """`before`: how many of the same deployment would be ahead of it."""
    return QueueFullError(f"{message}; come back later", RETRY_AFTER_S, position=before + 1)
