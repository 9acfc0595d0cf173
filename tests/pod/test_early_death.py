"""A worker that dies before its supervisor has looked once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUPERVISES_THE_DEAD = """
import json, os, socket, sys, time
from types import SimpleNamespace
from pipeyard.pod import protocol
from pipeyard.pod.folder import PodPaths
from pipeyard.pod.interpreter import Interpreter
from pipeyard.pod.supervisor import Supervisor
from pipeyard.pod.worker_process import WorkerProcess

order = {
    "pod_id": "p", "mode": "elastic", "parallel": False, "slots": 1, "function_path": "", "function_name": "",
    "inputs": [], "outputs": [], "variables": {}, "gpus": [], "orphan_s": 600, "pod_dir": sys.argv[1],
}
limits = SimpleNamespace(
    enter=lambda: None, memory_facts=dict, ending=lambda: None,
    look=lambda busy: False, due_s=lambda busy: time.monotonic() + 100,
)
paths = PodPaths(sys.argv[1], sys.argv[1] + "/no image", "")
worker = WorkerProcess(order, Interpreter(order, paths, limits, False), False, None)
os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
null = os.open(os.devnull, os.O_WRONLY)
ours, theirs = socket.socketpair()
listener = socket.socket(socket.AF_UNIX)
supervisor = Supervisor(order, SimpleNamespace(listener=listener, journal=null, exit=null), worker)
supervisor.adopt(theirs, protocol.Decoder(), [])
ours.sendall(protocol.encode({"type": "hello", "acked": 0}) + protocol.encode({"type": "ack", "n": 100}))
supervisor.run()
"""


def test_it_is_noticed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISES_THE_DEAD, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
