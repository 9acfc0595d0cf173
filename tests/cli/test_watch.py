"""`pipeyard deploy --watch`: changes are served, what is wrong is said, Ctrl-C leaves the endpoint."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading

from tests.cli.shells import Shell
from tests.platforms import eventually

SOURCE = "def main(x: int = {x}):\n    return {{'y': x}}\n"
WAIT_S = 60.0


class Watch:
    """A running command, read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)

    def until(self, text: str) -> str:
        """Everything up to the line with that text."""
        seen = ""
        while text not in seen:
            seen += self._lines.get(timeout=WAIT_S)
        return seen

    def end(self) -> int:
        """Ctrl-C. The exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(WAIT_S)
        self._reader.join()
        return status


def test_changes_are_deployed_errors_are_survived_and_ctrl_c_leaves_the_endpoint(fresh: Shell) -> None:
    folder = fresh.folder("watched", SOURCE.format(x=1))
    watch = Watch(fresh.start("deploy", folder, "--watch", stderr=subprocess.STDOUT))
    try:
        assert "y = 1" in watch.until("watching ")
        fresh.folder("watched", SOURCE.format(x=2))
        assert "y = 2" in watch.until("watching ")
        fresh.folder("watched", "def main(:\n")
        assert "pipeyard: main.py:1: is not Python" in watch.until("watching ")
        fresh.folder("watched", "import nowhere_to_be_found\n" + SOURCE.format(x=3))
        assert "No module named 'nowhere_to_be_found'" in watch.until("watching ")
        fresh.folder("watched", SOURCE.format(x=4), new_txt="another file")
        assert "y = 4" in watch.until("watching ")
        (folder / "new.txt").unlink()
        assert "replaced: watched is up" in watch.until("watching ")
    finally:
        status = watch.end()
    assert status == 130
    deployment = fresh.platform.sdk.get_deployment("watched")
    assert fresh.platform.call(deployment, {}).json()["outputs"] == {"y": 4}


def test_a_quiet_folder_costs_next_to_nothing(fresh: Shell) -> None:
    folder = fresh.folder("quiet", SOURCE.format(x=1))
    watch = Watch(fresh.start("deploy", folder, "--watch", stderr=subprocess.STDOUT))
    try:
        watch.until("watching ")
        switches = _switches(watch.process.pid)
        # A loop without a wait would never be switched from by itself.
        assert eventually(lambda: _switches(watch.process.pid) > switches + 3)
    finally:
        watch.end()


def _switches(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))
