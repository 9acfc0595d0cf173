"""A real server in a process of its own, as a user starts it, and short ways to use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from craft_ai_sdk import CraftAiSdk, Input, Output
from craft_ai_sdk.exceptions import SdkException

PIPEYARD = Path(sys.executable).with_name("pipeyard")
START_TIMEOUT_S = 30.0


class Platform:
    """`pipeyard up` on a data folder; the same folder can be started again."""

    command: Sequence[str] = (str(PIPEYARD),)

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.port = 0  # a free one
        # Tests send wrong tokens by the hundred, all from one address.
        settings = {"token_failures_max": 0} | settings
        self._settings = {f"PIPEYARD_{name.upper()}": str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self.credentials: dict[str, str] = {}
        self._sdk: CraftAiSdk | None = None

    # --- its life ---

    def start(self) -> Platform:
        """Start it on a free port and wait until it serves."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log = (self.folder / "server.log").open("ab")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PIPEYARD_", "CRAFT_"))
        }
        with log:
            self._process = subprocess.Popen(
                [*self.command, "up", "--data-dir", str(self.data_dir), "--port", str(self.port)],
                env=environment | self._settings,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._await_announcement(self._process)
        lines = (self.data_dir / "credentials.env").read_text().splitlines()
        self.credentials = dict(line.split("=", 1) for line in lines)
        self._sdk = None
        return self

    def _await_announcement(self, process: subprocess.Popen[bytes]) -> None:
        """The line with the URL comes once it serves; the pipe's end, when it could not start."""
        assert process.stdout is not None
        line = process.stdout.readline()
        if b"is up" not in line:
            process.wait(START_TIMEOUT_S)
            raise AssertionError(f"the server did not start: {self.log()[-3000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def stop(self) -> None:
        """Ctrl-C: the server and its pods."""
        if self._process is not None:
            self.signal(signal.SIGINT)

    def kill(self) -> None:
        """kill -9: the server alone."""
        self.signal(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """The server's log."""
        return (self.folder / "server.log").read_text(errors="replace")

    def processes(self) -> list[int]:
        """Every process that belongs to this data folder, pods included."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _mentions(entry, str(self.data_dir)):
                found.append(int(entry.name))
        return found

    # --- its use ---

    @property
    def url(self) -> str:
        """The environment's address."""
        return self.credentials["CRAFT_AI_ENVIRONMENT_URL"]

    @property
    def api(self) -> str:
        """The environment API's address."""
        return f"{self.url}/api/v1"

    @property
    def sdk(self) -> CraftAiSdk:
        """The public client, as a user makes it."""
        if self._sdk is None:
            self._sdk = CraftAiSdk(
                sdk_token=self.credentials["CRAFT_AI_SDK_TOKEN"],
                environment_url=self.url,
                control_url=self.url,
                verbose_log=False,
            )
        return self._sdk

    def http(self, **options: Any) -> httpx.Client:
        """A plain client with an access token, for what the public client would not send."""
        answer = httpx.post(f"{self.api}/auth/refresh", json={"refresh_token": self.credentials["CRAFT_AI_SDK_TOKEN"]})
        token = answer.json()["access_token"]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=90, **options)

    def create_pipeline(
        self,
        source: str,
        inputs: Iterable[Input] = (),
        outputs: Iterable[Output] = (),
        *,
        files: Mapping[str, str] | None = None,
        **config: Any,
    ) -> str:
        """A pipeline of a fresh name out of the source of `main.py`, whose function is `main`. The name."""
        name = f"p-{uuid.uuid4().hex[:8]}"
        folder = self.folder / "sources" / name
        folder.mkdir(parents=True)
        for path, text in ({"main.py": source} | dict(files or {})).items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(textwrap.dedent(text))
        container_config = {"local_folder": str(folder), **config}
        try:
            self.sdk.create_pipeline(
                name, "main.py", "main", container_config=container_config, inputs=list(inputs), outputs=list(outputs)
            )
        except SdkException as error:
            if error.name == "CreationFailed":
                error.add_note("\n".join(line["message"] for line in self.sdk.get_pipeline_logs(name)))
            raise
        return name

    def deploy(self, pipeline_name: str, mode: str = "elastic", **options: Any) -> dict[str, Any]:
        """An endpoint deployment of a fresh name; the deployment as the client returns it."""
        deployment: dict[str, Any] = self.sdk.create_deployment(
            pipeline_name, f"d-{uuid.uuid4().hex[:8]}", "endpoint", mode, **options
        )
        return deployment

    def call(
        self, deployment: Mapping[str, Any], inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> httpx.Response:
        """A call of the endpoint by its token, without the public client: held until the result."""
        headers = {"Authorization": f"EndpointToken {deployment['endpoint_token']}", **options.pop("headers", {})}
        if inputs is not None:
            options["json"] = inputs
        url = f"{self.url}/endpoints/{deployment['endpoint_url_path']}"
        return httpx.post(url, headers=headers, timeout=90, **options)


def _mentions(entry: Path, text: str) -> bool:
    try:
        return text in (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return False


def eventually(check: Any, timeout_s: float = 20.0) -> Any:
    """The first true answer of `check`; fails when none came in time. For what no event tells a test."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"did not happen within {timeout_s} s"
        time.sleep(0.02)
