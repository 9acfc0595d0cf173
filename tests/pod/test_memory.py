"""The memory limit of a pod: kept by the kernel where there are cgroups, else by a watch; the reason is told."""

import contextlib
import itertools
import os
import subprocess
from pathlib import Path

import pytest

from pipeyard.domain.pods import IsolationLevel
from pipeyard.pod import limits
from pipeyard.pod.cgroups import Groups
from pipeyard.pod.folder import PodPaths

LIMIT_BYTES = 128 * 1024**2
GREEDY = """
    import time
    def f(mebibytes, rest_s=0):
        hoard = bytearray(mebibytes * 1024**2)
        time.sleep(rest_s)
        return {"mebibytes": len(hoard) // 1024**2}
"""
OUTPUTS = (("mebibytes", "number"),)
ROOTS = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
GROUPS = [root / "pipeyard" for root in ROOTS if (root / "cgroup.procs").exists()]
_numbers = itertools.count(1)


def groups_of(pod_id):
    return [group / pod_id for group in GROUPS if (group / pod_id).exists()]


@pytest.fixture
def occupied():
    """A pod id whose cgroup cannot be made: somebody lives there. Where there are no cgroups that is so anyway."""
    pod_id = f"occupied-{os.getpid()}-{next(_numbers)}"
    with contextlib.ExitStack() as stack:
        for group in GROUPS:
            with contextlib.suppress(OSError):
                (group / pod_id).mkdir(parents=True)
                squatter = subprocess.Popen(["sleep", "1000"])
                stack.callback((group / pod_id).rmdir)
                stack.callback(squatter.wait)
                stack.callback(squatter.kill)
                (group / pod_id / "cgroup.procs").write_text(str(squatter.pid))
        yield pod_id


def check_out_of_memory(result):
    assert (result.outcome, result.kind) == ("failed", "out_of_memory")
    assert result.message.startswith("Out of Memory: the pod peaked at ")
    assert result.message.endswith(" of 128 MiB")
    assert result.failure["memory_limit_bytes"] == LIMIT_BYTES
    assert result.failure["peak_memory_bytes"] >= LIMIT_BYTES * 9 // 10
    assert "Raise ram_request to at least" in result.failure["remedy"]


def test_a_pod_that_uses_more_memory_than_it_may_ends_and_says_so(pods):
    connection = pods.open(GREEDY, ram_request_bytes=LIMIT_BYTES, outputs=OUTPUTS)
    assert connection.run("small", inputs={"mebibytes": 20}).values == {"mebibytes": 20}
    connection.execute("large", inputs={"mebibytes": 400, "rest_s": 10})
    check_out_of_memory(connection.finished("large"))
    exited = connection.wait_for("exited")
    assert exited.header["reason"] == "out_of_memory"
    connection.wait_for_end()


def test_without_cgroups_the_supervisor_watches(pods, unisolated_pods, occupied):
    for each in (pods, unisolated_pods):
        connection = each.open(GREEDY, pod_id=occupied, ram_request_bytes=LIMIT_BYTES, outputs=OUTPUTS)
        assert connection.run("small", inputs={"mebibytes": 20}).values == {"mebibytes": 20}
        connection.execute("large", inputs={"mebibytes": 400, "rest_s": 10})
        check_out_of_memory(connection.finished("large"))
        connection.wait_for_end()


def test_what_forked_processes_have_in_common_is_watched_once(pods, occupied):
    connection = pods.open(
        """
        import os, time
        def f():
            hoard = bytearray(80 * 1024**2)
            children = []
            for _ in range(4):
                children.append(os.fork())
                if not children[-1]:
                    time.sleep(0.5)
                    os._exit(0)
            return {"mebibytes": sum(not os.waitpid(child, 0)[1] for child in children)}
        """,
        pod_id=occupied,
        ram_request_bytes=LIMIT_BYTES,
        outputs=OUTPUTS,
    )
    assert connection.run().values == {"mebibytes": 4}


def test_memory_in_dev_shm_is_watched_too(pods, occupied):
    connection = pods.open(
        """
        import time
        def f():
            with open("/dev/shm/hoard", "wb") as file:
                file.write(bytes(60 * 1024**2))
            hoard = bytearray(90 * 1024**2)
            time.sleep(10)
        """,
        pod_id=occupied,
        ram_request_bytes=LIMIT_BYTES,
    )
    if pods.runtime.isolation is IsolationLevel.NAMESPACES:
        check_out_of_memory(connection.run())


def test_an_elastic_pod_is_told_whom_to_ask_for_more_memory(pods):
    connection = pods.elastic(GREEDY, ram_request_bytes=LIMIT_BYTES, outputs=OUTPUTS)
    failure = connection.run(inputs={"mebibytes": 400, "rest_s": 10}).failure
    assert failure["kind"] == "out_of_memory"
    assert "Raise ram_request in the pipeline's container_config to at least" in failure["remedy"]
    assert "elastic_ram_max_bytes" in failure["remedy"]


def test_what_the_worker_starts_counts_too(pods):
    connection = pods.open(
        """
        import subprocess, sys
        HOARD = "import time; hoard = bytearray(400 * 1024**2); time.sleep(10)"
        def f():
            subprocess.run([sys.executable, "-c", HOARD], check=True)
        """,
        ram_request_bytes=LIMIT_BYTES,
    )
    result = connection.run()
    # The kernel ends the child, and the function hears of it; or the whole pod ends.
    assert result.kind == "out_of_memory" or "SIGKILL" in result.message


def test_a_pod_without_a_request_has_no_limit(pods):
    connection = pods.open(GREEDY, outputs=OUTPUTS)
    assert connection.run(inputs={"mebibytes": 400}).values == {"mebibytes": 400}


def test_the_neighbour_of_a_greedy_pod_lives_on(pods):
    neighbour = pods.open(GREEDY, ram_request_bytes=LIMIT_BYTES, outputs=OUTPUTS)
    greedy = pods.open(GREEDY, ram_request_bytes=LIMIT_BYTES, outputs=OUTPUTS)
    assert greedy.run(inputs={"mebibytes": 400, "rest_s": 10}).kind == "out_of_memory"
    assert neighbour.run(inputs={"mebibytes": 20}).values == {"mebibytes": 20}


def test_a_worker_that_the_kernel_ended_because_the_machine_had_no_memory_left_is_told_from_others(
    monkeypatch, tmp_path
):
    kills = [7]
    monkeypatch.setattr(limits, "machine_kills", lambda: kills[0])
    order = {
        "mode": "elastic",
        "processes_max": 10,
        "memory_max_bytes": None,
        "disk_max_bytes": 1,
        "is_ram_reserved": False,
    }
    paths = PodPaths(str(tmp_path), "image", "program")
    Path(paths.work).mkdir()
    found = limits.Limits(order, Groups(None, None), paths, own_place=False)
    assert found.ending() is None
    kills[0] += 1
    ending = found.ending()
    assert (ending.outcome, ending.kind) == ("error", "out_of_memory")
    assert ending.message.startswith("Out of Memory: the machine had none left")
    assert "ram_request" in ending.remedy


def test_no_cgroup_is_left_of_a_pod_that_was_removed(pods):
    ref, connection = pods.start(GREEDY, ram_request_bytes=LIMIT_BYTES, outputs=OUTPUTS)
    connection.run(inputs={"mebibytes": 1})
    pods.stop(ref)
    assert groups_of(ref.pod_id) == []
