"""A pod that is attended to until it is gone, whatever its runtime does."""

from __future__ import annotations

from typing import Any

import pytest

from pipeyard.domain.pods import PodPhase, PodRef, PodState
from pipeyard.engine import patience
from pipeyard.engine.pods import Pod

pytestmark = pytest.mark.anyio


class FailingRuntime:
    """Raises at its first questions; then the pod is gone."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def inspect(self, ref: PodRef) -> PodState:
        if self.errors:
            raise self.errors.pop()
        return PodState(PodPhase.EXITED, "lost", frozenset({"begun"}))

    async def stop(self, ref: PodRef, grace_s: float) -> None: ...


def pod(runtime: Any) -> Pod:
    nothing: Any = None
    made = Pod(PodRef("p", 1, 1, "boot", None, "e"), runtime, nothing, lambda missing: None)
    made.in_flight["given"] = None
    return made


async def test_it_is_asked_again_while_the_machine_is_out_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_DELAY_S", 0.001)
    attended = pod(FailingRuntime(OSError(24, "too many open files")))
    await attended.attend()
    assert attended.gone.is_set()
    assert attended.started == {"begun"}


async def test_nothing_that_it_had_runs_twice_when_nobody_can_tell() -> None:
    attended = pod(FailingRuntime(TypeError("a mistake")))
    with pytest.raises(TypeError):
        await attended.attend()
    assert attended.gone.is_set()
    assert attended.started == {"given"}
