"""The map of the house: what the engine and the services need of the outside world."""

from __future__ import annotations

import socket
from typing import Protocol

from pipeyard.domain.pods import IsolationLevel, PodRef, PodSpec, PodState


class Runtime(Protocol):
    """Starts, inspects, lists and stops pods. One suite tests every implementation: tests/contracts/test_runtime.py."""

    @property
    def isolation(self) -> IsolationLevel:
        """The level that new pods get, probed when the runtime was opened."""
        ...

    async def start(self, spec: PodSpec) -> PodRef:
        """Start a pod. Idempotent on `spec.pod_id`: a pod that lives is returned as it is. Raises PodError."""
        ...

    async def connect(self, ref: PodRef) -> socket.socket:
        """A new stream to the pod's supervisor, to speak `pod.protocol` on. Waits while it is starting. Raises PodError."""
        ...

    async def inspect(self, ref: PodRef) -> PodState:
        """Where the pod is in its life. Works on refs of an earlier server process."""
        ...

    async def exited(self, ref: PodRef) -> None:
        """Return once no process of the pod is left. An event, not a poll, wherever the machine allows it."""
        ...

    async def list(self) -> list[PodRef]:
        """Every pod of this installation that still has a process or a folder."""
        ...

    async def stop(self, ref: PodRef, grace_s: float) -> None:
        """End the pod, politely for `grace_s`, then not, and remove what it leaves. Idempotent."""
        ...
