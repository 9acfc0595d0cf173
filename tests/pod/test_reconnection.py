"""A pod outlives its server: what happens meanwhile is kept, and told once."""

import os
import signal

import pytest

CODE = """
    import time
    def f(n):
        for i in range(50):
            print(i)
            time.sleep(0.005)
        with open("out", "wb") as out: out.write(b"z" * 700_000)
        return {"n": n, "out": {"path": "out"}}
"""
OUTPUTS = (("n", "number"), ("out", "file"))


@pytest.mark.parametrize("acknowledged", [0, 3])
def test_events_not_acknowledged_are_sent_again_without_loss_or_repetition(pods, acknowledged):
    ref, first = pods.start(CODE, outputs=OUTPUTS)
    first.acknowledging = False
    first.execute(inputs={"n": 1})
    first.wait_until(lambda _: len(first.log().splitlines()) > 5, "some lines")
    if acknowledged:
        first.send("ack", n=acknowledged)
    seen = [event for event in first.events if event.header["n"] <= acknowledged]
    first.close()
    second = pods.connect(ref, acked=acknowledged)
    second.events += seen
    result = second.finished()
    assert result.values == {"n": 1}
    assert result.files == {"out": b"z" * 700_000}
    numbers = [event.header["n"] for event in second.events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert second.log().split() == [str(i) for i in range(50)]
    assert second.welcome.header["executions"] == {"x": 1}


def test_what_finished_while_nobody_listened_is_told_to_the_next(pods):
    ref, first = pods.start(CODE, outputs=OUTPUTS)
    first.execute("a", {"n": 1})
    first.execute("b", {"n": 2})
    first.wait_for("started", "a")
    first.close()
    second = pods.connect(ref)
    assert second.finished("b").values == {"n": 2}


def test_the_newest_connection_replaces_the_older(pods):
    ref, first = pods.start(CODE, outputs=OUTPUTS)
    first.wait_for("ready")
    second = pods.connect(ref, acked=1)
    first.wait_for_end()
    assert second.run(inputs={"n": 5}).values == {"n": 5}
    assert second.welcome.header["state"] == "ready"


def test_an_elastic_pod_waits_for_its_result_to_be_acknowledged(pods):
    connection = pods.elastic(CODE, outputs=OUTPUTS)
    connection.acknowledging = False
    connection.execute(inputs={"n": 1})
    connection.finished()
    connection.close()
    (ref,) = pods.runner.run(pods.runtime.list())
    second = pods.connect(ref)
    assert second.finished().values == {"n": 1}
    second.wait_for_end()


def test_the_journal_names_what_a_dead_pod_had_begun(pods):
    ref, connection = pods.start("import time\ndef f(n): time.sleep(n)")
    connection.run("done", inputs={"n": 0})
    connection.execute("begun", {"n": 1000})
    connection.execute("waiting", {"n": 0})
    connection.wait_for("started", "begun")
    os.kill(ref.pid, signal.SIGKILL)
    connection.wait_for_end()
    pods.runner.run(pods.runtime.exited(ref))
    state = pods.runner.run(pods.runtime.inspect(ref))
    assert state.phase.value == "exited"
    assert "begun" in state.started
    assert "waiting" not in state.started


def test_the_death_of_the_worker_is_told_after_a_reconnection(pods):
    ref, first = pods.start("import os, time\ndef f():\n    time.sleep(0.2)\n    os._exit(9)")
    first.execute()
    first.wait_for("started")
    first.close()
    second = pods.connect(ref)
    assert second.finished().kind == "exited"
    second.wait_for("exited")
    second.wait_for_end()


def test_a_pod_whose_server_never_returns_ends_itself(pods):
    from pipeyard.runtimes.process import PodOptions, ProcessRuntime

    runtime = ProcessRuntime(
        pods.folder / "data", PodOptions(orphan_s=0.2), pods.runtime.program, pods.runtime.isolation
    )
    ref = pods.runner.run(runtime.start(pods.spec("def f(): pass")))
    first = pods.runner.run(runtime.connect(ref))
    first.close()
    pods.runner.run(runtime.exited(ref))
    pods.runner.run(runtime.stop(ref, 0))
    pods.runner.run(runtime.close())
