"""Executions that the server cancels, in every mode: what runs is ended, and its neighbours are not."""

import time

COROUTINE = """
    import asyncio
    async def f(first=False):
        if first:
            print("waits")
            await asyncio.sleep(1000)
        return {}
"""
THREADS = """
    import threading
    go = threading.Event()
    def f(first=False, free=False):
        if free: go.set()
        if first:
            print("waits")
            go.wait()
        return {}
"""
STATEFUL = """
    import time
    calls = []
    def f(first=False):
        calls.append(first)
        if first:
            print("waits")
            time.sleep(1000)
        return {"calls": len(calls)}
"""


def cancel_once_it_prints(connection, execution_id="x"):
    connection.wait_until(lambda _: connection.log(execution_id) == "waits\n", "its first line")
    connection.send("cancel", execution_id=execution_id)


def test_what_waits_in_the_pod_never_runs(pods):
    connection = pods.open(STATEFUL, outputs=(("calls", "number"),))
    connection.execute("running", {"first": True})
    connection.execute("waiting")
    connection.wait_for("started", "running")
    connection.send("cancel", execution_id="waiting")
    assert connection.finished("waiting").kind == "cancelled"
    cancel_once_it_prints(connection, "running")
    assert connection.run("next").values == {"calls": 2}
    assert connection.count("started") == 2


def test_a_function_in_the_main_thread_is_interrupted_and_the_pod_with_its_state_goes_on(pods, unisolated_pods):
    for each in (pods, unisolated_pods):
        connection = each.open(STATEFUL, outputs=(("calls", "number"),))
        connection.execute(inputs={"first": True})
        cancel_once_it_prints(connection)
        begun_at_s = time.monotonic()
        result = connection.finished()
        assert time.monotonic() - begun_at_s < 1
        assert (result.outcome, result.kind) == ("failed", "cancelled")
        assert 'main.py", line ' in connection.log(stream="stderr"), "it says where the function was"
        assert connection.run("next").values == {"calls": 2}


def test_a_function_that_catches_its_interruption_is_ended_with_the_pod_and_those_behind_it_wait(pods):
    connection = pods.open(
        """
        import time
        def f():
            while True:
                try:
                    print("waits")
                    time.sleep(1000)
                except BaseException:
                    pass
        """
    )
    connection.execute()
    connection.execute("behind")
    cancel_once_it_prints(connection)
    assert connection.finished().kind == "cancelled"
    assert connection.wait_for("exited").header["reason"] == "cancelled"
    connection.wait_for_end()
    assert connection.count("started") == connection.count("finished") == 1


def test_a_cancellation_in_the_midst_of_a_log_frame_leaves_the_channel_whole(pods):
    connection = pods.open(
        """
        import contextvars
        nobody = contextvars.Context()
        def f(first=False):
            if first:
                print("waits")
                while True:
                    nobody.run(print, "x" * 60_000)  # to the deployment's log: over the channel, not the pipe
            return {}
        """
    )
    for number in range(5):
        connection.execute(f"first-{number}", {"first": True})
        cancel_once_it_prints(connection, f"first-{number}")
        assert connection.finished(f"first-{number}").kind == "cancelled"
        assert connection.run(f"next-{number}").outcome == "succeeded"
    assert set(connection.log(None).split()) == {"x" * 60_000}


def test_a_late_cancel_interrupts_nobody_else(pods):
    connection = pods.open(STATEFUL, outputs=(("calls", "number"),))
    connection.run("before")
    connection.execute("now", {"first": True})
    connection.wait_until(lambda _: connection.log("now") == "waits\n", "its first line")
    connection.send("cancel", execution_id="before")
    connection.send("cancel", execution_id="never known")
    cancel_once_it_prints(connection, "now")
    connection.finished("now")
    assert connection.run("next").values == {"calls": 3}


def test_a_coroutine_is_cancelled_beside_its_neighbours(pods):
    for start in (pods.open, pods.parallel):
        connection = start(COROUTINE)
        connection.execute(inputs={"first": True})
        cancel_once_it_prints(connection)
        assert connection.finished().kind == "cancelled"
        assert connection.run("next").outcome == "succeeded"


def test_a_coroutine_that_does_not_heed_its_cancellation_is_said_to_go_on(pods):
    connection = pods.parallel(
        """
        import asyncio
        async def f():
            print("waits")
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    pass
        """
    )
    connection.execute()
    cancel_once_it_prints(connection)
    result = connection.finished()
    assert result.kind == "cancelled"
    assert result.message.endswith("its function cannot be stopped where it is, and goes on until its pod is replaced")


def test_a_thread_goes_on_and_the_pod_is_replaced_when_the_others_have_ended(pods):
    connection = pods.parallel(THREADS, parallel_executions_max=3)
    assert connection.wait_for("ready").header["in_threads"] is True
    connection.execute("a", {"first": True})
    connection.execute("b", {"first": True})
    cancel_once_it_prints(connection, "a")
    assert connection.finished("a").message == (
        "the execution was cancelled; its function cannot be stopped where it is, and goes on until its pod is replaced"
    )
    time.sleep(0.6)  # ABANDONED_GRACE_S
    connection.execute("too late")
    cancel_once_it_prints(connection, "b")
    connection.finished("b")
    assert connection.wait_for("exited").header["reason"] == "cancelled"
    connection.wait_for_end()
    assert connection.count("started") == 2


def test_a_thread_that_ends_by_itself_costs_no_pod(pods):
    connection = pods.parallel(THREADS)
    connection.execute("a", {"first": True})
    cancel_once_it_prints(connection, "a")
    connection.finished("a")
    connection.run("b", inputs={"free": True})
    time.sleep(0.6)  # ABANDONED_GRACE_S
    assert connection.run("c").outcome == "succeeded"
    assert connection.count("exited") == 0
