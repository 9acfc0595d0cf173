"""Executions that take too long."""

import time

SLEEP = "import time\ndef f(): time.sleep(1000)"
COROUTINE = """
    import asyncio
    async def f(stubborn=False):
        try:
            await asyncio.sleep(1000)
        finally:
            print("cleaned up")
"""


def test_an_elastic_function_is_ended_with_all_its_processes(pods, unisolated_pods):
    code = """
        import signal, subprocess, sys
        def f():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.run([sys.executable, "-c", "import time; time.sleep(1000)"])
    """
    for each in (pods, unisolated_pods):
        connection = each.elastic(code)
        begun_at_s = time.monotonic()
        result = connection.run(timeout_s=0.3)
        assert (result.outcome, result.kind) == ("failed", "timed_out")
        assert result.message == "the execution took longer than its timeout of 0.3 s"
        assert time.monotonic() - begun_at_s < 5
        connection.wait_for_end()


def test_a_coroutine_is_cancelled_in_every_mode(pods):
    for start in (pods.elastic, pods.open, pods.parallel):
        connection = start(COROUTINE)
        result = connection.run(timeout_s=0.3)
        assert (result.outcome, result.kind) == ("failed", "timed_out")
        assert connection.log() == "cleaned up\n"


def test_a_parallel_function_is_abandoned_and_its_late_result_changes_nothing(pods):
    connection = pods.parallel(
        """
        import threading
        go = threading.Event()
        def f(first):
            if first: go.wait()
            else: go.set()
            return {"first": first}
        """,
        outputs=(("first", "boolean"),),
    )
    assert connection.run("a", inputs={"first": True}, timeout_s=0.1).kind == "timed_out"
    assert connection.run("b", inputs={"first": False}).values == {"first": False}
    assert connection.run("c", inputs={"first": False}).values == {"first": False}
    assert connection.count("finished") == 3


def test_a_function_in_a_low_latency_queue_has_no_timeout(pods):
    connection = pods.open("import time\ndef f(): time.sleep(0.3)")
    assert connection.run(timeout_s=0.05).outcome == "succeeded"


def test_cancel_ends_an_elastic_function(pods):
    connection = pods.elastic(SLEEP)
    connection.execute()
    connection.wait_for("started")
    connection.send("cancel", execution_id="x")
    assert connection.finished().kind == "cancelled"
    assert connection.wait_for("exited").header["reason"] == "cancelled"
    connection.wait_for_end()


def test_the_import_of_an_elastic_pod_has_a_clock_of_its_own(pods):
    slow = pods.elastic("import time; time.sleep(1000)\ndef f(): pass")
    result = slow.run(start_timeout_s=0.3, timeout_s=1000)
    assert (result.outcome, result.kind) == ("failed", "timed_out")
    assert result.message == "the module was not imported within its start_timeout_s of 0.3 s"
    slow.wait_for_end()
    long = pods.elastic("import time; time.sleep(0.4)\ndef f(): time.sleep(1000)")
    result = long.run(start_timeout_s=60, timeout_s=0.3)
    assert result.message == "the execution took longer than its timeout of 0.3 s"
    long.wait_for_end()
    quick = pods.elastic("import time; time.sleep(0.4)\ndef f(): time.sleep(0.1)")
    assert quick.run(start_timeout_s=60, timeout_s=0.4).outcome == "succeeded"
