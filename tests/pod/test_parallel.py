"""Parallel mode: `async def` awaited on one loop, `def` in a new thread each, never more than the deployment allows."""

BARRIER = """
    import threading, time
    running, most, lock = 0, 0, threading.Lock()
    def f():
        global running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.2)
        with lock: running -= 1
        return {"most": most, "thread": threading.current_thread() is not threading.main_thread()}
"""
OUTPUTS = (("most", "number"), ("thread", "boolean"))


def test_six_run_and_the_seventh_waits(pods):
    connection = pods.parallel(BARRIER, outputs=OUTPUTS)
    names = [str(n) for n in range(7)]
    for name in names:
        connection.execute(name)
    connection.wait_until(lambda events: sum(e.type == "started" for e in events) >= 6, "six started")
    results = [connection.finished(name) for name in names]
    kinds = [e.type for e in connection.events if e.type in ("started", "finished")]
    assert kinds[:7] == ["started"] * 6 + ["finished"]
    assert max(result.values["most"] for result in results) == 6
    assert all(result.values["thread"] for result in results)


def test_coroutines_run_together_on_one_loop(pods):
    connection = pods.parallel(
        """
        import asyncio
        met = asyncio.Event if False else None
        waiting = []
        async def f():
            waiting.append(1)
            while len(waiting) < 3:
                await asyncio.sleep(0.001)
            return {"met": len(waiting)}
        """,
        outputs=(("met", "number"),),
    )
    for name in "abc":
        connection.execute(name)
    assert [connection.finished(name).values["met"] for name in "abc"] == [3, 3, 3]


def test_one_that_fails_leaves_the_others_alone(pods):
    connection = pods.parallel(
        """
        import asyncio, sys
        async def f(what):
            await asyncio.sleep(0.05)
            if what == "exit": sys.exit(3)
            if what == "raise": raise ValueError("no")
            return {"ok": True}
        """,
        outputs=(("ok", "boolean"),),
    )
    for what in ("exit", "raise", "return"):
        connection.execute(what, {"what": what})
    assert connection.finished("return").outcome == "succeeded"
    assert connection.finished("raise").message == "ValueError: no"
    assert connection.finished("exit").message == "SystemExit: 3"


def test_cancel_ends_a_coroutine(pods):
    connection = pods.parallel("import asyncio\nasync def f(): await asyncio.sleep(1000)")
    connection.execute("a")
    connection.execute("b")
    connection.wait_for("started", "b")
    connection.send("cancel", execution_id="a")
    assert connection.finished("a").kind == "cancelled"
    assert connection.count("finished") == 1


def test_a_def_that_holds_the_interpreter_does_not_stop_the_supervisor(pods):
    connection = pods.parallel("def f():\n    sum(range(100_000_000))")
    connection.execute("a")
    connection.wait_for("started", "a")
    connection.execute("b")
    connection.wait_for("started", "b")
    assert connection.count("finished") == 0
