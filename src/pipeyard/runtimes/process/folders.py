"""The folders of pods, as the runtime reads and writes them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeyard.domain.pods import PodRef, PodSpec
from pipeyard.pod import cgroups
from pipeyard.pod import folder as layout


@dataclass(frozen=True)
class Found:
    """What the folder of a pod tells about it."""

    ref: PodRef
    isolated: bool
    launching: bool  # no process has been named yet, and it may still come


class PodFolder:
    """One pod's folder."""

    def __init__(self, pods: Path, pod_id: str) -> None:
        self.path = pods / pod_id

    def create(self, spec: PodSpec) -> int:
        """Make the folder and note what the pod is for. The variables are secrets and are not written.

        Returns a descriptor that holds a lock. As long as somebody has it open, server or pod, the pod may come up.
        """
        self.path.mkdir(parents=True, mode=0o700)
        notes = {
            "pod_id": spec.pod_id,
            "environment_id": spec.environment_id,
            "mode": spec.mode.value,
            "deployment_id": spec.deployment_id,
            "execution_id": spec.execution_id,
            "ram_bytes": spec.claim.ram_bytes,
            "gpus": spec.gpus,
        }
        descriptor = os.open(self.path / layout.SPEC_FILE, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(notes).encode())
        return descriptor

    def read(self) -> Found | None:
        """What is known of the pod; None if the folder is not one of a pod."""
        notes = self._json(layout.SPEC_FILE)
        if notes is None:
            return None
        ref = self._json(layout.REF_FILE)
        launching = ref is None and self._is_locked()
        if ref is None and not launching:
            ref = self._json(layout.REF_FILE)  # it may have been written, and the pod ended, between the two looks
        ref = ref or {"pid": 0, "start_time_ticks": 0, "boot_id": "", "level": "process"}
        return Found(
            PodRef(
                pod_id=notes["pod_id"],
                pid=ref["pid"],
                start_time_ticks=ref["start_time_ticks"],
                boot_id=ref["boot_id"],
                deployment_id=notes["deployment_id"],
                execution_id=notes["execution_id"],
                ram_bytes=notes.get("ram_bytes", 0),  # a pod of an older version has none
                gpus=tuple(notes.get("gpus", ())),
            ),
            isolated=ref["level"] == "namespaces",
            launching=launching,
        )

    def started(self) -> frozenset[str]:
        """The executions that the pod had begun and whose end the server may not know."""
        with contextlib.suppress(OSError):
            return frozenset((self.path / layout.JOURNAL_FILE).read_text(encoding="utf-8").split())
        return frozenset()

    def exit_reason(self) -> str | None:
        """Why the supervisor ended, if it could say so."""
        note = self._json(layout.EXIT_FILE)
        return note["reason"] if note else None

    def log(self) -> str:
        """What the launcher and the supervisor had to say."""
        with contextlib.suppress(OSError):
            return (self.path / layout.LOG_FILE).read_text(encoding="utf-8", errors="replace").strip()
        return ""

    def remove(self) -> None:
        """Delete the folder, and the cgroup of its processes, which are gone. Idempotent."""
        cgroups.remove(self.path.name)
        if not self.path.exists():
            return
        try:
            shutil.rmtree(self.path)
        except (OSError, RecursionError):
            # User code has closed folders to their owner, or put thousands into one another: these programs cope.
            for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
                subprocess.run([*command, "--", str(self.path)], stderr=subprocess.DEVNULL, check=False)

    def _json(self, name: str) -> dict[str, Any] | None:
        try:
            content = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):  # not written yet, or not to its end
            return None
        return content if isinstance(content, dict) else None

    def _is_locked(self) -> bool:
        try:
            descriptor = os.open(self.path / layout.SPEC_FILE, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
