"""What the engine may expect of every runtime."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pipeyard.domain.deployments import Mode
from pipeyard.domain.pods import IsolationLevel, PodPhase, PodSpec
from pipeyard.errors import PodError
from pipeyard.pod import cgroups, process_tree, protocol
from pipeyard.ports import Runtime
from pipeyard.runtimes.process import PodOptions, ProcessRuntime

Scenario = Callable[[Runtime, PodSpec], Awaitable[None]]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "image"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture
def spec(tmp_path: Path, image: Path) -> PodSpec:
    code = tmp_path / "code"
    code.mkdir()
    (code / "main.py").write_text("import time\ndef f(s=0): time.sleep(s)\n")
    return PodSpec(
        pod_id="pod-1",
        environment_id="e",
        mode=Mode.LOW_LATENCY,
        image=image,
        code=code,
        function_path="main.py",
        function_name="f",
        inputs=(),
        outputs=(),
        variables={},
        deployment_id="d-1",
    )


@asynccontextmanager
async def _opened(data_dir: Path, level: IsolationLevel) -> AsyncIterator[ProcessRuntime]:
    best = await ProcessRuntime.open(data_dir)
    runtime = ProcessRuntime(data_dir, PodOptions(), best.program, level)
    try:
        yield runtime
    finally:
        await runtime.close()
        await best.close()


@pytest.fixture(params=list(IsolationLevel))
def run(request: pytest.FixtureRequest, tmp_path: Path, spec: PodSpec) -> Callable[[Scenario], None]:
    """Runs a scenario against a new runtime, and sees to it that nothing is left."""

    async def scene(scenario: Scenario) -> None:
        async with _opened(tmp_path / "data", request.param) as runtime:
            try:
                await scenario(runtime, spec)
            finally:
                for ref in await runtime.list():
                    await runtime.stop(ref, 0)
                    assert not os.path.exists(f"/proc/{ref.pid}")
                assert not os.listdir(tmp_path / "data" / "pods")

    return lambda scenario: asyncio.run(scene(scenario))


async def _ask(stream: socket.socket, *frames: bytes, until: str) -> list[protocol.Frame]:
    """Greet, send, and read up to the first frame of that type."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(stream, protocol.encode({"type": "hello", "protocol": 1, "acked": 0}) + b"".join(frames))
    decoder, seen = protocol.Decoder(), list[protocol.Frame]()
    while not any(frame.type == until for frame in seen):
        data = await asyncio.wait_for(loop.sock_recv(stream, 65536), 20)
        assert data, f"the pod hung up; seen: {[frame.header for frame in seen]}"
        seen += decoder.feed(data)
    return seen


def _execute(execution_id: str, **inputs: float) -> bytes:
    body = str(inputs).replace("'", '"').encode()
    return protocol.encode({"type": "execute", "execution_id": execution_id, "files": [], "timeout_s": None}, body)


def test_a_pod_can_be_reached_again_and_again(run):
    async def scenario(runtime, spec):
        ref = await runtime.start(spec)
        assert (ref.pod_id, ref.deployment_id, ref.execution_id) == ("pod-1", "d-1", None)
        for name in ("a", "b"):
            with await runtime.connect(ref) as stream:
                frames = await _ask(stream, until="welcome")
                assert frames[0].header["pod_id"] == "pod-1"
                assert name

    run(scenario)


def test_start_is_idempotent_even_at_the_same_moment(run):
    async def scenario(runtime, spec):
        first, second = await asyncio.gather(runtime.start(spec), runtime.start(spec))
        assert first == second == await runtime.start(spec)
        assert list(await runtime.list()) == [first]

    run(scenario)


def test_a_pod_that_died_can_be_started_again_and_is_another(run):
    async def scenario(runtime, spec):
        first = await runtime.start(spec)
        os.kill(first.pid, signal.SIGKILL)
        await runtime.exited(first)
        second = await runtime.start(spec)
        assert second != first
        assert (await runtime.inspect(first)).phase is PodPhase.GONE
        assert (await runtime.inspect(second)).phase is PodPhase.READY

    run(scenario)


def test_inspect_follows_the_life_of_a_pod(run):
    async def scenario(runtime, spec):
        ref = await runtime.start(spec)
        assert (await runtime.inspect(ref)).phase is PodPhase.READY
        os.kill(ref.pid, signal.SIGKILL)
        await runtime.exited(ref)
        state = await runtime.inspect(ref)
        assert (state.phase, state.reason) == (PodPhase.EXITED, "lost")
        assert ref in await runtime.list()
        await runtime.stop(ref, 0)
        assert (await runtime.inspect(ref)).phase is PodPhase.GONE
        assert not await runtime.list()

    run(scenario)


def test_a_recycled_pid_never_passes_for_a_pod(run):
    async def scenario(runtime, spec):
        ref = await runtime.start(spec)
        for other in (
            dataclasses.replace(ref, pid=os.getpid()),
            dataclasses.replace(ref, start_time_ticks=ref.start_time_ticks + 1),
            dataclasses.replace(ref, boot_id="another"),
        ):
            assert (await runtime.inspect(other)).phase is PodPhase.GONE
            await asyncio.wait_for(runtime.exited(other), 5)
            await runtime.stop(other, 0)
            assert (await runtime.inspect(ref)).phase is PodPhase.READY
            with pytest.raises(PodError):
                await runtime.connect(other)

    run(scenario)


def test_usage_is_that_of_all_processes_of_a_pod_and_of_no_other(run):
    async def scenario(runtime, spec):
        ref = await runtime.start(spec)
        with await runtime.connect(ref) as stream:
            await _ask(stream, until="ready")
            gone = dataclasses.replace(ref, start_time_ticks=ref.start_time_ticks + 1)
            elsewhere = dataclasses.replace(ref, boot_id="another")
            usages = await runtime.usage([ref, gone, elsewhere])
            assert list(usages) == [ref]
            usage = usages[ref]
            assert usage.processes == 2  # the supervisor and the worker
            assert usage.memory_bytes > 5_000_000  # two interpreters
            assert usage.cpu_s > 0
            assert 0 < usage.running_s < 60
            later = (await runtime.usage([ref]))[ref]
            assert later.cpu_s >= usage.cpu_s
            assert later.running_s >= usage.running_s
        assert await runtime.usage([]) == {}

    run(scenario)


def test_stop_lets_a_running_execution_finish_within_the_grace(run):
    async def scenario(runtime, spec):
        ref = await runtime.start(spec)
        with await runtime.connect(ref) as stream:
            await _ask(stream, _execute("x", s=0.3), until="started")
            stopping = asyncio.create_task(runtime.stop(ref, 10))
            loop = asyncio.get_running_loop()
            decoder, seen = protocol.Decoder(), list[protocol.Frame]()
            while data := await loop.sock_recv(stream, 65536):
                seen += decoder.feed(data)
                for frame in seen:
                    await loop.sock_sendall(stream, protocol.encode({"type": "ack", "n": frame.header["n"]}))
            await stopping
        assert [frame.type for frame in seen] == ["finished", "exited"]
        assert seen[0].header["outcome"] == "succeeded"

    run(scenario)


def test_stop_does_not_wait_longer_than_the_grace(run):
    async def scenario(runtime, spec):
        ref = await runtime.start(spec)
        with await runtime.connect(ref) as stream:
            await _ask(stream, _execute("x", s=1000), until="started")
            await asyncio.wait_for(runtime.stop(ref, 0.2), 30)  # the execution would take 1000 s
        await runtime.stop(ref, 0.2)

    run(scenario)


def test_exited_is_an_event(run):
    async def scenario(runtime, spec):
        ref = await runtime.start(spec)
        waiting = [asyncio.create_task(runtime.exited(ref)) for _ in range(3)]
        await asyncio.sleep(0)
        os.kill(ref.pid, signal.SIGKILL)
        await asyncio.wait_for(asyncio.gather(*waiting), 30)

    run(scenario)


def test_what_hides_from_its_pod_ends_with_it(run):
    async def scenario(runtime, spec):
        (spec.code / "main.py").write_text(
            "import subprocess, time\n"
            "def f():\n"
            "    subprocess.Popen(['sleep', '1000'], env={}, start_new_session=True)\n"
            "    print('left', flush=True)\n"
            "    time.sleep(1000)\n"
        )
        ref = await runtime.start(spec)
        with await runtime.connect(ref) as stream:
            await _ask(stream, _execute("x"), until="log")
        left = process_tree.descendants(ref.pid)
        assert len(left) == 2  # the worker and what it has left
        if runtime.isolation is IsolationLevel.PROCESS and not cgroups.members(ref.pod_id):
            pytest.skip("the next server cannot find it without a pid namespace and without cgroups")
        os.kill(ref.pid, signal.SIGKILL)  # the supervisor, which would have ended them
        await runtime.exited(ref)
        assert not {pid for pid, _ in process_tree.living()} & set(left)

    run(scenario)


def test_an_image_that_cannot_run_is_a_pod_error(run, tmp_path):
    async def scenario(runtime, spec):
        with pytest.raises(PodError, match="no interpreter"):
            await runtime.start(dataclasses.replace(spec, image=tmp_path / "nothing"))
        with pytest.raises(PodError, match="cannot start"):
            await runtime.start(dataclasses.replace(spec, code=tmp_path / "nothing"))
        assert not await runtime.list()

    run(scenario)


def test_many_pods_start_at_once(run):
    async def scenario(runtime, spec):
        specs = [dataclasses.replace(spec, pod_id=f"pod-{n}", mode=Mode.ELASTIC) for n in range(12)]
        refs = await asyncio.gather(*(runtime.start(each) for each in specs))
        assert len({ref.pid for ref in refs}) == 12
        for ref in refs:
            with await runtime.connect(ref) as stream:
                await _ask(stream, _execute("x"), until="finished")
        await asyncio.gather(*(runtime.stop(ref, 0) for ref in refs))

    run(scenario)


def test_the_next_server_finds_the_pods_of_the_one_before(tmp_path, spec):
    script = """
import asyncio, os, sys, pickle
from pathlib import Path
from pipeyard.runtimes.process import ProcessRuntime
async def main():
    runtime = await ProcessRuntime.open(Path(sys.argv[1]))
    ref = await runtime.start(pickle.loads(bytes.fromhex(sys.argv[2])))
    print(ref.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    import pickle

    data_dir = tmp_path / "data"
    command = [sys.executable, "-c", script, str(data_dir), pickle.dumps(spec).hex()]
    pid = int(subprocess.run(command, capture_output=True, text=True, check=False).stdout)

    async def scene() -> None:
        runtime = await ProcessRuntime.open(data_dir)
        (ref,) = await runtime.list()
        try:
            assert (ref.pid, ref.pod_id, ref.deployment_id) == (pid, "pod-1", "d-1")
            assert await runtime.start(spec) == ref
            with await runtime.connect(ref) as stream:
                await _ask(stream, _execute("x"), until="finished")
        finally:
            await runtime.stop(ref, 0)
        assert not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        await runtime.close()

    asyncio.run(scene())


def test_a_minimum_that_the_machine_lacks_is_refused_by_name(tmp_path, monkeypatch):
    from pipeyard.runtimes.process import runtime as module

    monkeypatch.setattr(module, "probe", lambda *_: (IsolationLevel.PROCESS, "unshare: Operation not permitted"))
    runtime = asyncio.run(ProcessRuntime.open(tmp_path))
    assert runtime.describe()["isolation"] == "process, since namespaces fail: unshare: Operation not permitted"
    with pytest.raises(PodError, match="unshare: Operation not permitted"):
        asyncio.run(ProcessRuntime.open(tmp_path, PodOptions(minimum=IsolationLevel.NAMESPACES)))


def test_a_very_long_data_folder_is_no_obstacle(tmp_path, spec):
    async def scene() -> None:
        runtime = await ProcessRuntime.open(tmp_path / ("d" * 120) / ("e" * 120))
        ref = await runtime.start(spec)
        try:
            for _ in range(2):
                with await runtime.connect(ref) as stream:
                    await _ask(stream, until="welcome")
        finally:
            await runtime.stop(ref, 0)
            await runtime.close()

    asyncio.run(scene())
