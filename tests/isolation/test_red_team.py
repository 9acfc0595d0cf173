"""A pipeline that means harm gets nothing: as root, as an ordinary user, and where the machine has no namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform as machine
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from craft_ai_sdk import Input, Output

from pipeyard.pod.kernel import landlock_version
from tests.isolation import red_team
from tests.isolation.red_team.table import ESCAPES, Escape, check, libc
from tests.isolation.users import ordinary_command, without_namespaces
from tests.platforms import Platform, eventually

SECRET = "sesame-of-the-server"
LIMITS = {"processes_max": 100, "disk_max_bytes": 64 * 1024**2, "memory_max_bytes": 256 * 1024**2}
SETTINGS = {
    "pod_max_processes": LIMITS["processes_max"],
    "pod_disk_max_bytes": LIMITS["disk_max_bytes"],
    "elastic_ram_max_bytes": LIMITS["memory_max_bytes"],
}
NUMBER = os.getpid() % 30_000 + 1000  # of this run's bait
MARKER = f"left-by-the-red-team-{NUMBER}"
MODULES = {f"red_team/{path.name}": path.read_text() for path in Path(red_team.__file__).parent.glob("*.py")}


@pytest.fixture(scope="module")
def bait() -> Iterator[dict[str, Any]]:
    """What others have on the machine, open to all its users, for the pipeline to find."""
    with contextlib.ExitStack() as stack:
        umask = os.umask(0)
        stack.callback(os.umask, umask)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bait-")))
        folder.chmod(0o755)
        files = [folder / "file", Path(f"/var/tmp/bait-{NUMBER}"), Path(f"/dev/shm/bait-{NUMBER}")]
        for path in files:
            path.write_text("bait")
            stack.callback(path.unlink)
        for address in (str(folder / "socket"), f"\0bait-{NUMBER}"):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(address)
            listener.listen()
        remove, create = 0, 0o1000
        segment = check(libc.shmget(NUMBER, 4096, create | 0o666))
        stack.callback(libc.shmctl, segment, remove, None)
        queues = ctypes.CDLL("librt.so.1", use_errno=True)
        name = f"/bait-{NUMBER}".encode()
        os.close(check(queues.mq_open(name, os.O_CREAT | os.O_RDWR, 0o666, None)))
        stack.callback(queues.mq_unlink, name)
        os.umask(umask)
        _add_session_key(f"bait-{NUMBER}")
        yield {
            "machine_files": [str(path) for path in files[:2]],
            "machine_socket": str(folder / "socket"),
            "shm_file": str(files[2]),
            "shm_key": NUMBER,
            "abstract_name": f"bait-{NUMBER}",
            "queue": name.decode(),
            "key": f"bait-{NUMBER}",
            "secret": "a note of another pod",
            "server_secret": SECRET,
            "marker": MARKER,
            **LIMITS,
        }


def _add_session_key(name: str) -> None:
    call = {"x86_64": 248, "aarch64": 217}.get(machine.machine())
    if call is not None:
        check(libc.syscall(call, b"user", name.encode(), b"bait", ctypes.c_size_t(4), ctypes.c_long(-3)))


@dataclass
class Raid:
    """What came of all escapes on one platform."""

    level: str
    tried: list[Escape]
    reached: dict[str, str]
    endings: dict[str, str]  # of those that end their pod
    neighbour_answers: bool
    left: list[str]


def _as_root(_folder: Path) -> tuple[Any, str]:
    return (Platform.command, "namespaces") if os.geteuid() == 0 else pytest.skip("not root")


def _as_an_ordinary_user(folder: Path) -> tuple[Any, str]:
    return ordinary_command(folder) or pytest.skip("no interpreter that an ordinary user can run"), "namespaces"


def _without_namespaces(folder: Path) -> tuple[Any, str]:
    command = ordinary_command(folder)
    command = command and without_namespaces(command)
    return command or pytest.skip("namespaces cannot be forbidden here"), "process"


@pytest.fixture(
    scope="module",
    params=[_as_root, _as_an_ordinary_user, _without_namespaces],
    ids=lambda each: each.__name__.lstrip("_"),
)
def raid(request: pytest.FixtureRequest, bait: dict[str, Any]) -> Raid:
    """One platform, raided, and ended."""
    with tempfile.TemporaryDirectory(prefix="raided-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        platform = Platform(folder, **SETTINGS)
        platform.command, level = request.param(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SESAME", SECRET)
            stack.callback(platform.stop)
            platform.start()
        assert httpx.get(f"{platform.api}/health").json()["pods"]["info"] == f"isolation: {level}"
        found, pod_ids = _raid(platform, level, bait)
        stack.close()
        found.left += _left(platform, pod_ids)
        return found


def _raid(platform: Platform, level: str, bait: dict[str, Any]) -> tuple[Raid, list[str]]:
    source = "from red_team import main\n"
    inputs, outputs = [Input("names", "array"), Input("target", "json")], [Output("reached", "json")]
    pipeline = platform.create_pipeline(source, inputs, [*outputs, Output("token", "string")], files=MODULES)
    said = [line["message"] for line in platform.sdk.get_pipeline_logs(pipeline)]
    assert ("Elastic executions start with its imports done, from a zygote." in said) == (level == "namespaces"), said
    neighbour, elastic = platform.deploy(pipeline, "low_latency"), platform.deploy(pipeline)

    def call(deployment: dict[str, Any], names: list[str], target: dict[str, Any]) -> httpx.Response:
        return platform.call(deployment, {"names": names, "target": target})

    settled, earlier = call(neighbour, [], bait), call(elastic, [], bait)
    pods = platform.data_dir / "pods"
    pod = eventually(lambda: _only(pods))
    target = (
        bait
        | _processes(platform, pod)
        | {
            "data_dir": str(platform.data_dir),
            "server_home": str(platform.data_dir.parent / "home"),
            "neighbour_pod": pod.name,
            "neighbour_name": neighbour["name"],
            "pipeline_name": pipeline,
            "other_execution_id": earlier.json()["execution_id"],
            "ended_token": earlier.json()["outputs"]["token"],
        }
    )
    tried = [each for each in ESCAPES if _is_tried(each, level)]
    answer = call(elastic, [each.tries for each in tried if each.ends_with is None], target)
    assert answer.status_code == 200, answer.text
    endings = {
        each.tries: call(elastic, [each.tries], target).json()["additional_data"]["reason"]
        for each in tried
        if each.ends_with
    }
    answers = [settled, call(neighbour, [], bait), httpx.get(f"{platform.api}/health")]
    alive = all(each.status_code == 200 for each in answers)
    eventually(lambda: _only(pods) == pod)
    pod_ids = [pod.name, *(each["execution_id"] for each in platform.sdk.list_pipeline_executions(pipeline))]
    return Raid(level, tried, answer.json()["outputs"]["reached"], endings, alive, []), pod_ids


def _only(pods: Path) -> Path | None:
    """The one pod that is left, when the others are gone."""
    found = list(pods.iterdir())
    return found[0] if len(found) == 1 else None


def _processes(platform: Platform, pod: Path) -> dict[str, int]:
    supervisor = json.loads((pod / "ref.json").read_text())["pid"]
    worker = int(Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()[0])
    return {"server_pid": platform.pid, "neighbour_pid": supervisor, "neighbour_worker_pid": worker}


def _is_tried(each: Escape, level: str) -> bool:
    return each.landlock <= landlock_version() and (level in ("namespaces", each.level) or each.open_below)


def _left(platform: Platform, pod_ids: list[str]) -> list[str]:
    """Processes, control groups, mounts and folders that are still there."""
    found = [str(pid) for pid in platform.processes()]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and MARKER.encode() in (entry / "cmdline").read_bytes():
                found.append((entry / "cmdline").read_text())
    groups = [path for root in ("", "/memory", "/pids") for path in Path(f"/sys/fs/cgroup{root}/pipeyard").glob("*")]
    found += [str(path) for path in groups if path.name.startswith(tuple(pod_ids))]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(platform.data_dir) in line]
    return found + [str(path) for path in (platform.data_dir / "pods").iterdir()]


def test_nothing_is_reached_but_without_namespaces_what_is_known_to_be(raid: Raid) -> None:
    assert len(raid.tried) >= 25
    open_here = {each.tries for each in raid.tried if each.open_below and raid.level == "process"}
    assert set(raid.reached) == open_here, raid.reached


def test_what_takes_too_much_ends_alone_and_the_reason_is_told(raid: Raid) -> None:
    assert raid.endings == {each.tries: each.ends_with for each in raid.tried if each.ends_with}
    assert raid.neighbour_answers


def test_nothing_is_left_of_the_pods(raid: Raid) -> None:
    assert raid.left == []
