"""What user code can see and touch outside its own pod: nothing."""

import json
import os
import subprocess
import sys

import pytest

from pipeyard.domain.pods import IsolationLevel

LOOK = """
    import os, pathlib
    def f(path):
        def tried(action):
            try: return action()
            except OSError as error: return type(error).__name__
        return {"seen": tried(lambda: sorted(os.listdir(path)))}
"""


@pytest.fixture(autouse=True)
def _needs_namespaces(pods):
    if pods.runtime.isolation is not IsolationLevel.NAMESPACES:
        pytest.skip("this machine has no user namespaces")


def test_the_platforms_data_cannot_be_seen(pods):
    connection = pods.open(LOOK, outputs=(("seen", "json"),))
    data = str(pods.folder / "data")
    assert connection.run("a", inputs={"path": data}).values == {"seen": "FileNotFoundError"}
    assert connection.run("b", inputs={"path": "/tmp"}).values == {"seen": []}
    assert connection.run("c", inputs={"path": "/home"}).values == {"seen": ["pipeyard"]}


def test_other_processes_cannot_be_seen(pods):
    values = pods.open(LOOK, outputs=(("seen", "json"),)).run(inputs={"path": "/proc"}).values
    assert [name for name in values["seen"] if name.isdigit()] == ["1", "2"]


def test_the_supervisor_cannot_be_read_or_ended(pods):
    connection = pods.open(
        """
        import contextlib, os, signal
        def f():
            problems = {}
            for name in ("environ", "fd", "mem", "maps", "cwd"):
                try:
                    path = "/proc/1/" + name
                    os.listdir(path) if name in ("fd", "cwd") else open(path, "rb").read(1)
                    problems[name] = "open"
                except OSError as error: problems[name] = "closed"
            with contextlib.suppress(PermissionError):  # with Landlock; without, it is nothing to pid 1
                os.kill(1, signal.SIGKILL)
            return {"p": problems, "fds": sorted(int(n) for n in os.listdir("/proc/self/fd"))[:4]}
        """,
        outputs=(("p", "json"), ("fds", "array")),
    )
    values = connection.run("a").values
    assert set(values["p"].values()) == {"closed"}
    assert values["fds"] == [0, 1, 2, 3]
    assert connection.run("b").outcome == "succeeded"


def test_nothing_of_the_machine_can_be_written(pods):
    connection = pods.open(
        """
        import ctypes, os, sys
        def f():
            wrote = []
            for folder in ("", "/usr", "/etc", "/image", "/pod", "/pod/program", "/sys", sys.base_prefix):
                try:
                    open(folder + "/x", "w")
                    wrote.append(folder)
                except OSError: pass
            libc = ctypes.CDLL(None, use_errno=True)
            remounted = libc.mount(b"none", b"/usr", None, 32 | 4096, None)
            return {"wrote": wrote, "uid": os.getuid(), "remounted": remounted}
        """,
        outputs=(("wrote", "array"), ("uid", "number"), ("remounted", "number")),
    )
    assert connection.run().values == {"wrote": [], "uid": 1000, "remounted": -1}


def test_the_environment_is_that_of_the_pod_alone(pods, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "1")
    connection = pods.open(
        "import os\ndef f(): return {'env': dict(os.environ)}", outputs=(("env", "json"),), variables={"MINE": "2"}
    )
    env = connection.run().values["env"]
    assert "SECRET_OF_THE_SERVER" not in env
    assert env["MINE"] == "2"
    assert (env["HOME"], env["USER"], env["TMPDIR"], env["VIRTUAL_ENV"]) == (
        "/home/pipeyard",
        "pipeyard",
        "/tmp",
        "/image",
    )
    assert env["PATH"].startswith("/image/bin:")


def test_variables_are_never_written_to_disk_or_shown_in_a_command_line(pods):
    ref, connection = pods.start("def f(): pass", variables={"PASSWORD": "s3cret-of-the-user"})
    connection.wait_for("ready")
    folder = pods.folder / "data" / "pods" / ref.pod_id
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"s3cret-of-the-user" not in path.read_bytes()
    assert (folder / "spec.json").stat().st_mode & 0o777 == 0o600
    from pathlib import Path

    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"s3cret-of-the-user" not in path.read_bytes()
        except OSError:
            continue


def test_shared_memory_devices_and_names_work_inside(pods):
    connection = pods.open(
        """
        import getpass, os, socket, tempfile
        from multiprocessing import shared_memory
        def f():
            block = shared_memory.SharedMemory(create=True, size=100)
            block.close()
            block.unlink()
            open("/dev/null", "w").write("x")
            os.urandom(8)
            open("/dev/urandom", "rb").read(1)
            socket.gethostbyname("localhost")
            return {"user": getpass.getuser(), "tmp": tempfile.gettempdir()}
        """,
        outputs=(("user", "string"), ("tmp", "string")),
    )
    assert connection.run().values == {"user": "pipeyard", "tmp": "/tmp"}, connection.log("x", "stderr")


def test_any_program_can_be_run_isolated(pods, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("given")
    (tmp_path / "out").mkdir()
    if os.geteuid() == 0:
        os.chown(tmp_path / "out", 65534, 65534)
    place = {
        "level": "namespaces",
        "binds": [
            {"source": str(tmp_path / "in"), "target": "/in"},
            {"source": str(tmp_path / "out"), "target": "/out", "writable": True},
        ],
        "cwd": "/out",
    }
    script = "cat /in/a > result; touch /in/b || echo refused; echo $GIVEN; exit 7"
    command = [sys.executable, "-I", "-S", pods.runtime.program, "isolate", json.dumps(place), "--", "sh", "-c", script]
    result = subprocess.run(
        command, capture_output=True, text=True, env={"GIVEN": "passed", "PATH": "/usr/bin"}, check=False
    )
    assert (result.returncode, result.stdout) == (7, "refused\npassed\n")
    assert (tmp_path / "out" / "result").read_text() == "given"


def test_an_ordinary_user_gets_the_same_isolation(pods, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become someone else")
    program = tmp_path / "program"
    subprocess.run(["cp", "-r", pods.runtime.program, program], check=True)
    for path in (tmp_path, *tmp_path.parents[:3]):
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    python = "/usr/bin/python3"
    place = {"level": "namespaces", "binds": []}
    command = [python, "-I", "-S", program, "isolate", json.dumps(place), "--", "sh", "-c", "id -u; ls -d /root /home"]
    result = subprocess.run(
        command, capture_output=True, text=True, user=12345, group=12345, extra_groups=[], check=False
    )
    assert result.stdout == "1000\n"


def test_a_pod_without_namespaces_still_has_private_folders_and_ends_whole(unisolated_pods):
    connection = unisolated_pods.elastic(
        """
        import os
        def f(): return {"cwd": os.getcwd(), "home": os.environ["HOME"], "tmp": os.environ["TMPDIR"]}
        """,
        outputs=(("cwd", "string"), ("home", "string"), ("tmp", "string")),
    )
    values = connection.run().values
    assert all("/pods/" in value for value in values.values())
    assert len(set(values.values())) == 3
