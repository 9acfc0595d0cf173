"""Workers that are forked from a process with the imports done: what they share, what not, when there are none."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tests.pod.conftest import Pods

from pipeyard.domain.modes import Mode
from pipeyard.runtimes.process import PodOptions, ProcessRuntime, ZygoteLimits

# Only what comes from a zygote is under a filter of system calls.
FORKED = """
    def is_forked():
        return "Seccomp:\\t2" in open("/proc/self/status").read()
"""
PACKAGES = {
    "counting": "calls = []\n",
    "threaded": """
        import threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True, name="left-running").start()
    """,
    "sharing": "import mmap\nmemory = mmap.mmap(-1, 4096)\n",
    "holding": "import os\nfile = os.open('/etc/hostname', os.O_RDONLY)\n",
    "hanging": """
        import os, time
        os.register_at_fork(after_in_child=lambda: time.sleep(60) if False else os._exit(3))
    """,
    "dying": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "slow": "import time\ntime.sleep(50)\n",
    "lying": """
        import os, socket
        socket.socket(fileno=os.dup(3)).send(b'{"reason": null, "memory_bytes": "much"}')
    """,
    "leaning": "import helper_of_mine\n",
    "helper_of_mine": "whose = 'the package'\n",
    "spying": """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        reached = [name for name in ("/etc/shadow", "/root/.bashrc") if os.access(name, os.R_OK)]
        for flags in (0x10000000, 0x10000000 | 0x20000, 0x20000000, 0x40000000, 0x80):
            if libc.unshare(flags) == 0:
                reached.append(f"unshare {flags:x}")
        if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
            reached.append("mount")
        if libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) != -1 and os.uname().machine == "x86_64":
            reached.append("clone")
        seen = sorted(os.listdir("/work") + os.listdir("/tmp") + os.listdir(os.environ["HOME"]))
        names = sorted(os.environ)
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
        descriptors = sorted(os.listdir("/proc/self/fd"))
    """,
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with packages."""
    folder = tmp_path_factory.mktemp("images") / "image"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name, source in PACKAGES.items():
        (packages / f"{name}.py").write_text(textwrap.dedent(source))
    return folder


def _reason(pods: Pods, module: str) -> str | None:
    return pods.runner.run(pods.runtime.warm(pods.spec(f"import {module}\ndef f(): pass", mode=Mode.ELASTIC)))


def _zygotes(pods: Pods) -> list[Path]:
    return sorted(pods.folder.glob("warm/zygotes/*"))


def test_two_workers_of_one_zygote_never_see_each_others_writes_and_user_modules_run_fresh(warm_pods):
    code = {
        "main.py": """
            import os, counting, own
            from helper import is_forked
            def f(name):
                counting.calls.append(name)
                own.calls.append(name)
                os.environ["LEFT"] = name
                return {"seen": [counting.calls, own.calls, os.getpid()], "forked": is_forked()}
        """,
        "own.py": "calls = []\nprint('own is imported')\n",
        "helper.py": FORKED,
    }
    outputs = (("seen", "array"), ("forked", "boolean"))
    first, second = (warm_pods.elastic(code, outputs=outputs) for _ in range(2))
    for name, connection in (("first", first), ("second", second), ("third", warm_pods.elastic(code, outputs=outputs))):
        values = connection.run(inputs={"name": name}).values
        assert values == {"seen": [[name], [name], values["seen"][2]], "forked": True}
        assert connection.log("x") == "own is imported\n"
    assert len(_zygotes(warm_pods)) == 1


def test_nothing_random_repeats(warm_pods):
    code = """
        import random, tempfile, uuid
        def f():
            name = next(tempfile._get_candidate_names())
            return {"a": [random.random(), str(uuid.uuid4()), str(uuid.uuid1()), name]}
    """
    found = [warm_pods.elastic(code, outputs=(("a", "array"),)).run().values["a"] for _ in range(2)]
    assert not set(found[0]) & set(found[1])


def test_a_worker_has_the_descriptors_rights_and_variables_of_a_fresh_one(pods, warm_pods):
    code = """
        import os
        def f():
            status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
            names = ("CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Groups", "SigCgt", "Threads", "Umask")
            kept = {name: status[name] for name in names}
            namespaces = sorted(os.readlink(f"/proc/self/ns/{name}") == os.readlink(f"/proc/1/ns/{name}")
                                for name in ("user", "mnt", "pid", "ipc") if os.access(f"/proc/1/ns/{name}", os.R_OK))
            return {"a": [kept, sorted(os.environ.items()), sorted(os.listdir("/proc/self/fd")), os.getcwd(),
                          sorted(os.listdir("/")), os.getppid(), os.getsid(0) == os.getpid(), namespaces]}
    """
    fields = {"outputs": (("a", "array"),), "variables": {"A": "1"}}
    fresh, forked = (each.elastic(code, **fields).run().values["a"] for each in (pods, warm_pods))
    assert fresh == forked


def test_a_package_reaches_nothing_while_it_is_imported(warm_pods):
    code = """
        import spying
        def f(): return {"a": [spying.reached, spying.seen, spying.processes, spying.names, spying.descriptors]}
    """
    fields = {"outputs": (("a", "array"),), "variables": {"SECRET": "of the user"}}
    reached, seen, processes, names, descriptors = warm_pods.elastic(code, **fields).run().values["a"]
    assert (reached, seen, len(processes)) == ([], [], 2)  # the keeper and itself
    assert "SECRET" not in names
    assert descriptors == ["0", "1", "2", "3", "4"]  # its log, the server, the list itself


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("threaded", "its imports start a Python thread (left-running)"),
        ("sharing", "its imports share memory (/dev/zero (deleted))"),
        ("holding", "its imports leave something open (/etc/hostname)"),
        ("hanging", "a first forked process did not work"),
        ("lying", "its process says what no zygote says"),
        ("dying", "its imports end the process (signal 9)"),
    ],
)
def test_what_cannot_be_forked_starts_afresh_and_says_why(warm_pods, module, reason):
    assert _reason(warm_pods, module) == reason
    warm_pods.warm = False
    if module not in ("dying", "lying"):
        code = {"main.py": f"import {module}\nfrom helper import is_forked\ndef f(): return {{'a': is_forked()}}"}
        connection = warm_pods.elastic(code | {"helper.py": FORKED}, outputs=(("a", "boolean"),))
        assert connection.run().values == {"a": False}


def test_a_module_of_the_user_is_not_mistaken_for_one_that_a_package_has_imported(warm_pods):
    code = {
        "main.py": "import leaning, helper_of_mine\ndef f(): return {'a': helper_of_mine.whose}",
        "helper_of_mine.py": "whose = 'the user'",
    }
    assert warm_pods.elastic(code, outputs=(("a", "string"),)).run().values == {"a": "the user"}


def test_variables_that_libraries_read_at_their_import_start_a_fresh_interpreter(warm_pods):
    code = {"main.py": "from helper import is_forked\ndef f(): return {'a': is_forked()}", "helper.py": FORKED}
    for variables, forked in (({"OMP_NUM_THREADS": "1"}, False), ({"MY_NUM_THREADS": "1"}, True)):
        connection = warm_pods.elastic(code, outputs=(("a", "boolean"),), variables=variables)
        assert connection.run().values == {"a": forked}


def test_a_zygote_that_dies_costs_no_execution_and_is_made_again(warm_pods):
    code = {"main.py": "from helper import is_forked\ndef f(): return {'a': is_forked()}", "helper.py": FORKED}
    running = warm_pods.elastic("import time\ndef f(): time.sleep(0.5)\n")
    running.execute()
    running.wait_for("started")
    for pid in _processes_of(warm_pods):
        os.kill(pid, signal.SIGKILL)
    warm_pods.warm = False
    outcomes = [warm_pods.elastic(code, outputs=(("a", "boolean"),)).run().values["a"]]
    warm_pods.warm = True
    outcomes.append(warm_pods.elastic(code, outputs=(("a", "boolean"),)).run().values["a"])
    assert outcomes == [False, True]
    assert running.finished().outcome == "succeeded"


def test_hooks_run_once_before_the_fork_and_in_each_worker_after_it_or_both_in_a_fresh_interpreter(pods, warm_pods):
    code = {
        "main.py": "import pipeyard_zygote\ndef f(): return {'a': [pipeyard_zygote.calls, pipeyard_zygote.pids]}",
        "pipeyard_zygote.py": """
            import os
            calls, pids = [], []
            def before_fork(): calls.append("before"); pids.append(os.getpid())
            def after_fork(): calls.append("after"); pids.append(os.getpid())
        """,
    }
    for each, same_process in ((pods, True), (warm_pods, False)):
        for _ in range(2):
            calls, pids = each.elastic(code, outputs=(("a", "array"),)).run().values["a"]
            assert (calls, pids[0] == pids[1]) == (["before", "after"], same_process)


def test_a_hook_that_raises_says_so_at_the_build_and_fails_the_execution(warm_pods):
    code = {"main.py": "def f(): pass", "pipeyard_zygote.py": "def before_fork(): raise ValueError('no model')"}
    spec = warm_pods.spec(code, mode=Mode.ELASTIC)
    said = warm_pods.runner.run(warm_pods.runtime.warm(spec))
    assert said == "before_fork of pipeyard_zygote.py raises ValueError: no model"
    assert (
        warm_pods.connect(warm_pods.runner.run(warm_pods.runtime.start(spec))).run().message == "ValueError: no model"
    )


def test_the_one_that_was_used_least_recently_goes_first(warm_pods):
    warm_pods.runtime._zygotes._limits = ZygoteLimits(count_max=2)
    for module in ("json", "random", "json", "uuid"):
        warm_pods.elastic(f"import {module}\ndef f(): pass").run()
    kept = [key.preparation for key in warm_pods.runtime._zygotes._kept]
    assert [json.loads(text)["imports"][0][0] for text in kept] == ["json", "uuid"]


def test_one_environment_never_uses_the_zygote_of_another(warm_pods):
    for environment_id in ("one", "other"):
        warm_pods.elastic("def f(): pass", environment_id=environment_id).run()
    assert len(_zygotes(warm_pods)) == 2


def test_a_server_that_stops_does_not_wait_for_imports(warm_pods):
    spec = warm_pods.spec("import slow\ndef f(): pass", mode=Mode.ELASTIC)

    async def stop_while_it_imports() -> str | None:
        warming = asyncio.create_task(warm_pods.runtime.warm(spec))
        while not _zygotes(warm_pods):  # noqa: ASYNC110  a thread makes it
            await asyncio.sleep(0.01)
        await warm_pods.runtime.close()
        return await warming

    began_s = time.monotonic()
    assert warm_pods.runner.run(stop_while_it_imports()) is not None
    assert time.monotonic() - began_s < 15


def test_executions_go_on_when_the_server_and_its_zygotes_are_gone(warm_pods):
    spec = warm_pods.spec("import time\ndef f(): time.sleep(0.5)", mode=Mode.ELASTIC)
    assert warm_pods.runner.run(warm_pods.runtime.warm(spec)) is None
    ref = warm_pods.runner.run(warm_pods.runtime.start(spec))
    connection = warm_pods.connect(ref)
    connection.execute()
    connection.wait_for("started")
    connection.close()
    warm_pods.runner.run(warm_pods.runtime.close())
    assert not _zygotes(warm_pods)
    warm_pods.runtime = warm_pods.runner.run(ProcessRuntime.open(warm_pods.folder / "warm", PodOptions()))
    assert warm_pods.connect(ref).finished().outcome == "succeeded"


def _processes_of(pods: Pods) -> list[int]:
    """The zygotes: under the filter, and not in a pod."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, status = (path / "cmdline").read_bytes(), (path / "status").read_text()
        except OSError:
            continue
        depth = next(len(line.split()) for line in status.splitlines() if line.startswith("NSpid"))
        if command.endswith(b"\0zygote\0") and depth == 3:
            found.append(int(path.name))
    return found
