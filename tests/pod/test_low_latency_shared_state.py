"""All executions of a low latency pod share its memory and its files, one at a time and in order."""

import json

COUNTER = """
    import os, pathlib
    count = 0
    def f():
        global count
        count += 1
        with open("/tmp/calls", "a") as file: file.write("x")
        return {"count": count, "size": os.path.getsize("/tmp/calls")}
"""


def test_globals_and_files_are_seen_by_the_next_execution(pods):
    connection = pods.open(COUNTER, outputs=(("count", "number"), ("size", "number")))
    for number in (1, 2, 3):
        assert connection.run(str(number)).values == {"count": number, "size": number}


def test_ready_comes_after_the_import_and_before_any_execution(pods):
    connection = pods.open("print('imported')\ndef f(): pass")
    connection.execute("a")
    connection.finished("a")
    kinds = [event.type for event in connection.events]
    assert kinds == ["log", "ready", "started", "finished"]
    assert connection.log(None) == "imported\n"


def test_executions_run_one_at_a_time_in_their_order(pods):
    connection = pods.open(
        """
        import time
        def f(n):
            print("begin", n)
            time.sleep(0.02)
            print("end", n)
        """
    )
    names = [str(n) for n in range(8)]
    for name in names:
        connection.execute(name, {"n": name})
    connection.finished(names[-1])
    order = [(e.type, e.header["execution_id"]) for e in connection.events if e.type in ("started", "finished")]
    assert order == [(kind, name) for name in names for kind in ("started", "finished")]
    for name in names:
        assert connection.log(name) == f"begin {name}\nend {name}\n"


def test_a_repeated_execute_changes_nothing(pods):
    connection = pods.open(COUNTER, outputs=(("count", "number"), ("size", "number")))
    connection.execute("a")
    connection.execute("a")
    connection.finished("a")
    connection.execute("a")
    assert connection.run("b").values["count"] == 2
    assert connection.count("started") == connection.count("finished") == 2


def test_variables_are_refreshed_at_each_start(pods):
    connection = pods.open(
        """
        import os
        def f(): return {"env": {k: os.environ.get(k) for k in ("A", "B", "CRAFT_AI_X", "CRAFT_AI_EXECUTION_ID")}}
        """,
        outputs=(("env", "json"),),
        variables={"A": "1", "CRAFT_AI_X": "platform"},
    )
    first = connection.run("first").values["env"]
    assert first == {"A": "1", "B": None, "CRAFT_AI_X": "platform", "CRAFT_AI_EXECUTION_ID": "first"}
    connection.send("environment", json.dumps({"B": "2"}).encode())
    second = connection.run("second").values["env"]
    assert second == {"A": None, "B": "2", "CRAFT_AI_X": "platform", "CRAFT_AI_EXECUTION_ID": "second"}


def test_def_runs_in_the_main_thread_with_no_loop_running(pods):
    connection = pods.open(
        """
        import asyncio, threading
        async def g(): return 7
        def f(): return {"n": asyncio.run(g()), "main": threading.current_thread() is threading.main_thread()}
        """,
        outputs=(("n", "number"), ("main", "boolean")),
    )
    for name in "ab":
        assert connection.run(name).values == {"n": 7, "main": True}


def test_async_def_runs_on_one_loop_that_stays(pods):
    connection = pods.open(
        """
        import asyncio
        loops = set()
        async def f():
            await asyncio.sleep(0)
            loops.add(asyncio.get_running_loop())
            return {"loops": len(loops)}
        """,
        outputs=(("loops", "number"),),
    )
    for name in "abc":
        assert connection.run(name).values == {"loops": 1}


def test_a_waiting_execution_can_be_cancelled_and_a_running_coroutine_too(pods):
    connection = pods.open("import asyncio\nasync def f(): await asyncio.sleep(1000)")
    connection.execute("running")
    connection.execute("waiting")
    connection.wait_for("started", "running")
    connection.send("cancel", execution_id="waiting")
    assert connection.finished("waiting").kind == "cancelled"
    connection.send("cancel", execution_id="running")
    assert connection.finished("running").kind == "cancelled"
    connection.send("cancel", execution_id="running")
    connection.send("cancel", execution_id="never heard of")
    connection.execute("next")
    connection.wait_for("started", "next")


def test_the_client_finds_the_execution_it_runs_in(pods):
    connection = pods.open(
        """
        import __craft_internal_execution_context as context
        def f(): return {"id": context.current_execution_id.get()}
        """,
        outputs=(("id", "string"),),
    )
    for name in "ab":
        assert connection.run(name).values == {"id": name}


def test_pickle_multiprocessing_and_signals_work_in_user_code(pods):
    code = """
        import dataclasses, multiprocessing, pickle, signal

        @dataclasses.dataclass
        class Point:
            x: int

        def double(point): return Point(point.x * 2)

        def f(method):
            with multiprocessing.get_context(method).Pool(2) as pool:
                points = pool.map(double, [Point(1), Point(2)])
            hits = []
            signal.signal(signal.SIGUSR1, lambda *_: hits.append(1))
            signal.raise_signal(signal.SIGUSR1)
            same = pickle.loads(pickle.dumps(Point(3))) == Point(3)
            return {"xs": [p.x for p in points], "same": same, "hits": len(hits)}

        if __name__ == "__main__":
            raise SystemExit("the guard does not hold")
    """
    connection = pods.open(
        {"src/part-1-points.py": code},
        function_path="/src/part-1-points.py",
        outputs=(("xs", "array"), ("same", "boolean"), ("hits", "number")),
    )
    for method in ("fork", "spawn"):
        result = connection.run(method, inputs={"method": method})
        assert result.values == {"xs": [2, 4], "same": True, "hits": 1}, connection.log(method, "stderr")


def test_imports_are_rooted_at_the_code_folder(pods):
    connection = pods.open(
        {
            "pipelines/a/func_used.py": "from src import helper\ndef f(): return {'n': helper.N}",
            "src/helper.py": "N = 3",
        },
        function_path="pipelines/a/func_used.py",
        outputs=(("n", "number"),),
    )
    assert connection.run().values == {"n": 3}


def test_stop_lets_the_running_execution_finish_and_starts_no_other(pods):
    ref, connection = pods.start(
        """
        import time
        def f(): time.sleep(0.3)
        """
    )
    connection.execute("a")
    connection.execute("b")
    connection.wait_for("started", "a")
    connection.send("stop", grace_s=10)
    assert connection.finished("a").outcome == "succeeded"
    assert connection.wait_for("exited").header["reason"] == "stopped"
    connection.wait_for_end()
    assert connection.count("started") == 1
    pods.runner.run(pods.runtime.exited(ref))


def test_stop_ends_what_does_not_finish_within_the_grace(pods):
    connection = pods.open("import time\ndef f(): time.sleep(1000)")
    connection.execute("a")
    connection.wait_for("started", "a")
    connection.send("stop", grace_s=0.1)
    result = connection.finished("a")
    assert (result.outcome, result.kind) == ("error", "stopped")
