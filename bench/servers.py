"""The servers that are measured: Pipeyard as a user starts it, and LitServe in its own environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from craft_ai_sdk import CraftAiSdk

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
PIPEYARD = Path(sys.executable).with_name("pipeyard")
LITSERVE_PYTHON = FOLDER / "litserve" / "bin" / "python"
START_TIMEOUT_S = 60.0


@dataclass
class Platform:
    """A running `pipeyard up`."""

    folder: Path
    process: subprocess.Popen[bytes]
    url: str
    sdk: CraftAiSdk

    @property
    def data_dir(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    @property
    def client_environment(self) -> dict[str, str]:
        """What the command line of a user of this platform runs with."""
        return _environment() | _read_credentials(self.data_dir)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder beside the repository, on a disk: /tmp is memory on many machines, where durability costs nothing."""
    FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=FOLDER))
    try:
        yield folder
    finally:
        with _uninterrupted():
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def pipeyard(folder: Path) -> Iterator[Platform]:
    """`pipeyard up` with every default, on a free port; at the end `pipeyard down` ends all that runs."""
    data_dir = folder / "data"
    process = start_pipeyard(folder)
    try:
        credentials = _read_credentials(data_dir)
        url = credentials["CRAFT_AI_ENVIRONMENT_URL"]
        token = credentials["CRAFT_AI_SDK_TOKEN"]
        sdk = CraftAiSdk(sdk_token=token, environment_url=url, control_url=url, verbose_log=False)
        yield Platform(folder, process, url, sdk)
    finally:
        with _uninterrupted():
            stop_pipeyard(process, data_dir)


def start_pipeyard(folder: Path) -> subprocess.Popen[bytes]:
    """Returns once the server answers its health check."""
    folder.mkdir(exist_ok=True)
    data_dir = folder / "data"
    command = [str(PIPEYARD), "up", "--data-dir", str(data_dir), "--port", "0"]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    try:
        assert process.stdout is not None
        if b"is up" not in process.stdout.readline():
            raise RuntimeError(f"pipeyard did not start: {(folder / 'server.log').read_text()[-2000:]}")
        _await_health(f"{_read_credentials(data_dir)['CRAFT_AI_ENVIRONMENT_URL']}/api/v1/health", process)
    except BaseException:
        with _uninterrupted():
            stop_pipeyard(process, data_dir)
        raise
    return process


def stop_pipeyard(process: subprocess.Popen[bytes], data_dir: Path, *, with_pods: bool = True) -> None:
    """`pipeyard down`, and the server's own end. Ctrl-C is enough for a server that never had a pod."""
    if not with_pods:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
    elif data_dir.is_dir():
        down = [str(PIPEYARD), "down", "--data-dir", str(data_dir)]
        subprocess.run(down, env=_environment(), capture_output=True, timeout=90, check=False)
    _end_session(process)


@contextlib.contextmanager
def litserve(folder: Path) -> Iterator[str]:
    """LitServe with the same function; yields its URL."""
    if not LITSERVE_PYTHON.exists():
        raise RuntimeError("LitServe is not installed: use `make bench`")
    port = _free_port()
    program = ROOT / "bench" / "peers" / "litserve" / "server.py"
    command = [str(LITSERVE_PYTHON), str(program), str(port)]
    with (folder / "litserve.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await_health(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/predict"
    finally:
        with _uninterrupted():
            _end_session(process)


def _await_health(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server of {url} ended with status {process.returncode}")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.005)
    raise RuntimeError(f"{url} did not answer 200 within {START_TIMEOUT_S} s")


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End a server with the processes of its session: LitServe's outlive their parent otherwise."""
    if process.returncode is None:  # not reaped yet, so its number is still its own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not cut the cleaning up short."""
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _read_credentials(data_dir: Path) -> dict[str, str]:
    lines = (data_dir / "credentials.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    """The caller's, without settings: every default is measured as it is."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PIPEYARD_", "CRAFT_"))}
