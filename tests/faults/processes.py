"""The processes of a platform: whom to hit, and what is left of them when nothing should be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pipeyard.pod.process_tree import below, living
from tests.platforms import Platform

_GROUPS = ("/sys/fs/cgroup/pipeyard", "/sys/fs/cgroup/memory/pipeyard", "/sys/fs/cgroup/pids/pipeyard")


def supervisors(platform: Platform) -> dict[str, int]:
    """Process ids by pod."""
    found = {}
    for ref in platform.data_dir.glob("pods/*/ref.json"):
        try:
            found[ref.parent.name] = int(json.loads(ref.read_bytes())["pid"])
        except (OSError, ValueError):  # removed, or not written yet
            continue
    return found


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid, fields in living():
        found.setdefault(int(fields[1]), []).append(pid)
    return found


def members(supervisor: int) -> tuple[list[int], list[int]]:
    """Of a pod: its worker, and what user code has started."""
    children = _children()
    workers = children.get(supervisor, [])
    return workers, [pid for worker in workers for pid in below(worker, children)]


def _forkers(server: int) -> set[int]:
    """What a server forks pods from: the spawner, which is in no place of its own, and zygotes with their keepers."""
    children = _children()
    found = set()
    for pid in children.get(server, []):
        zygotes = [child for child in children.get(pid, []) if b"zygote" in _read(child, "cmdline")]
        if zygotes or _mounts(pid) == _mounts(server):
            found |= {pid, *zygotes}
    return found


def _mounts(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


class Leftovers:
    """What belongs to a platform that is idle, and should not be there."""

    def __init__(self, platform: Platform, mark: str) -> None:
        """`mark`: an environment variable of the platform, which user code and all that it starts has."""
        self._platform = platform
        self._mark = mark.encode()

    def find(self, warm: set[str], execution_ids: set[str]) -> list[str]:
        """In words, with deployments of these ids up, and after these executions."""
        stays = self._warm_pods(warm)
        found = [f"the folder of pod {name}" for name in self._pods() if name not in stays]
        found += [f"process {pid}" for pid in self._processes() - self._known(stays)]
        found += [f"group {path}" for path in _groups(warm | execution_ids) if path.name not in stays]
        found += [
            f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if self._is_of(line)
        ]
        for folder in ("incoming", "uploads", "data_store/incoming"):
            place = self._platform.data_dir / folder
            found += [f"{folder}/{name}" for name in (os.listdir(place) if place.is_dir() else ())]
        return found

    def _warm_pods(self, warm: set[str]) -> dict[str, int]:
        """One living pod of each deployment may be there."""
        alive = set(_pids())
        by_owner = {
            pod.rpartition("-")[0]: (pod, pid) for pod, pid in supervisors(self._platform).items() if pid in alive
        }
        return dict(one for owner, one in by_owner.items() if owner in warm)

    def _pods(self) -> list[str]:
        return os.listdir(self._platform.data_dir / "pods")

    def _is_of(self, text: str) -> bool:
        return str(self._platform.folder) in text

    def _known(self, stays: dict[str, int]) -> set[int]:
        known = {self._platform.pid, *_forkers(self._platform.pid)}
        for supervisor in stays.values():
            workers, others = members(supervisor)
            known |= {supervisor, *workers, *others}
        return known

    def _processes(self) -> set[int]:
        marked = {pid for pid in _pids() if self._mark in _read(pid, "environ")}
        return marked | set(self._platform.processes())


def _groups(owners: set[str]) -> Iterator[Path]:
    for root in map(Path, _GROUPS):
        for path in root.iterdir() if root.is_dir() else ():
            if path.name.rpartition("-")[0] in owners:
                yield path


def _pids() -> list[int]:
    return [pid for pid, _ in living()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
