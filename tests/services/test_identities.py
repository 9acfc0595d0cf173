"""What the code in a pod may call its own."""

from __future__ import annotations

from typing import Literal

import pytest

from pipeyard import clock
from pipeyard.domain.executions import Execution, ExecutionStatus
from pipeyard.services.identities import Caller, PodScope

OF_DEPLOYMENT = Execution("e-1", "env", "p", "p", "d-1", "d", (), (), ExecutionStatus.RUNNING, clock.now(), "user")
A_RUN = Execution("e-2", "env", "p", "p", None, None, (), (), ExecutionStatus.RUNNING, clock.now(), "user")


@pytest.mark.parametrize(
    ("kind", "subject_id", "owned"),
    [
        ("execution", "e-1", [True, False]),
        ("execution", "e-2", [False, True]),
        ("deployment", "d-1", [True, False]),
        ("deployment", "d-2", [False, False]),
        ("deployment", "e-1", [False, False]),
    ],
)
def test_a_pod_owns_what_it_was_made_for(
    kind: Literal["deployment", "execution"], subject_id: str, owned: list[bool]
) -> None:
    caller = Caller("user", PodScope("env", kind, subject_id))
    assert [caller.owns(execution) for execution in (OF_DEPLOYMENT, A_RUN)] == owned


def test_a_person_owns_no_execution() -> None:
    assert not Caller("user").owns(OF_DEPLOYMENT)
