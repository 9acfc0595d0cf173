"""The pods that an earlier server left."""

from __future__ import annotations

from pipeyard.domain.pods import PodPhase, PodRef
from pipeyard.ports import Runtime


class LeftPods:
    """Handed out one by one at the start; what nobody takes is removed."""

    def __init__(self, runtime: Runtime, refs: list[PodRef]) -> None:
        self._runtime = runtime
        self._refs = refs

    async def take_living(self, owner_id: str) -> PodRef | None:
        """A pod of that deployment or execution that still runs."""
        for ref in self._of(owner_id):
            state = await self._runtime.inspect(ref)
            if state.phase in (PodPhase.STARTING, PodPhase.READY):
                self._refs.remove(ref)
                return ref
        return None

    def of_executions(self) -> list[str]:
        """The executions whose own pods nobody has taken."""
        return [ref.execution_id for ref in self._refs if ref.execution_id is not None]

    async def begun(self, owner_id: str) -> frozenset[str]:
        """The executions that dead pods of that deployment or execution had begun."""
        states = [await self._runtime.inspect(ref) for ref in self._of(owner_id)]
        return frozenset().union(*(state.started for state in states))

    async def remove(self) -> list[PodRef]:
        """End and remove the rest. Which these were."""
        for ref in self._refs:
            await self._runtime.stop(ref, 0)
        removed, self._refs = self._refs, []
        return removed

    def _of(self, owner_id: str) -> list[PodRef]:
        return [ref for ref in self._refs if owner_id in (ref.deployment_id, ref.execution_id)]
