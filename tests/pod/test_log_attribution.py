"""Each line lands on the execution that wrote it, to the last byte, and never on a neighbour."""

import re

INTERLEAVED = """
    import asyncio, logging, threading, time
    from concurrent.futures import ThreadPoolExecutor

    logging.basicConfig(level="INFO", format="%(message)s")
    shared = ThreadPoolExecutor(2)

    def say(tag, where, times=20):
        for n in range(times):
            print(f"{tag} {where} {n}")
            logging.info(f"{tag} log {where} {n}")
            time.sleep(0.001)

    def threads(tag):
        def pooled(n): say(tag, "own pool", 3)
        workers = [threading.Thread(target=say, args=(tag, "thread")), threading.Timer(0, say, (tag, "timer"))]
        for worker in workers: worker.start()
        with ThreadPoolExecutor(2) as pool: list(pool.map(pooled, range(3)))
        for future in [shared.submit(say, tag, "shared pool") for _ in range(2)]: future.result()
        say(tag, "body")
        for worker in workers: worker.join()
"""


def _check(connection, names):
    for name in names:
        for stream in ("stdout", "stderr"):
            lines = connection.log(name, stream).splitlines()
            assert lines
            assert not [line for line in lines if not re.match(rf"{name} [a-z ]+\d+$", line)]
    assert connection.log(None) == ""


def test_threads_and_pools_of_parallel_functions_never_mix(pods):
    connection = pods.parallel({"main.py": INTERLEAVED + "\n    def f(tag): threads(tag)"})
    names = ["aaa", "bbb", "ccc"]
    for name in names:
        connection.execute(name, {"tag": name})
    for name in names:
        assert connection.finished(name).outcome == "succeeded"
    _check(connection, names)
    assert all(connection.log(name).count("shared pool") == 40 for name in names)


def test_tasks_and_executors_of_parallel_coroutines_never_mix(pods):
    tail = """
    async def f(tag):
        async def task(where):
            for n in range(20):
                print(f"{tag} {where} {n}")
                await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        pooled = [loop.run_in_executor(None, say, tag, "executor"), loop.run_in_executor(shared, say, tag, "shared")]
        await asyncio.gather(task("one"), task("two"), asyncio.to_thread(say, tag, "to thread"), *pooled)
    """
    connection = pods.parallel({"main.py": INTERLEAVED + tail})
    names = ["aaa", "bbb", "ccc"]
    for name in names:
        connection.execute(name, {"tag": name})
    for name in names:
        assert connection.finished(name).outcome == "succeeded"
    _check(connection, names)


def test_a_thread_left_behind_keeps_writing_to_its_own_execution(pods):
    connection = pods.open(
        """
        import threading
        go, done = threading.Event(), threading.Event()
        def f(tag):
            def later():
                go.wait()
                print("late", tag)
                done.set()
            if tag == "a": threading.Thread(target=later, daemon=True).start()
            else:
                go.set()
                done.wait()
                print("body", tag)
        """
    )
    connection.run("a", inputs={"tag": "a"})
    connection.run("b", inputs={"tag": "b"})
    assert connection.log("a") == "late a\n"
    assert connection.log("b") == "body b\n"


def test_what_c_code_and_child_processes_write_belongs_to_the_one_that_runs(pods):
    code = """
        import os, subprocess, sys
        def f(tag):
            os.write(1, f"raw {tag}\\n".encode())
            os.system(f"echo system {tag}")
            subprocess.run(["echo", "given", tag], stdout=sys.stdout, check=True)
            subprocess.run(f"echo error {tag} >&2", shell=True, check=True)
            if os.fork() == 0:
                print("forked", tag)
                os._exit(0)
            os.wait()
    """
    connection = pods.open(code)
    for tag in "ab":
        connection.run(tag, inputs={"tag": tag})
        assert connection.log(tag) == f"raw {tag}\nsystem {tag}\ngiven {tag}\nforked {tag}\n"
        assert connection.log(tag, "stderr") == f"error {tag}\n"


def test_in_parallel_mode_raw_output_goes_to_the_pods_log(pods):
    connection = pods.parallel("import os\ndef f():\n    os.system('echo raw')\n    print('mine')")
    connection.run("a")
    connection.wait_until(lambda _: connection.log(None), "the raw line")
    assert connection.log(None) == "raw\n"
    assert connection.log("a") == "mine\n"


def test_the_last_bytes_before_a_crash_are_kept(pods):
    connection = pods.elastic(
        """
        import os, sys
        def f():
            print("x" * 300_000)
            print("no newline", end="")
            print("at all", file=sys.stderr, end="")
            os.kill(os.getpid(), 11)
        """
    )
    assert connection.run().kind == "signalled"
    assert connection.log() == "x" * 300_000 + "\nno newline"
    assert connection.log(stream="stderr") == "at all"


def test_lines_arrive_whole_and_as_valid_text(pods):
    connection = pods.open(
        """
        import os, sys
        def f():
            for part in ("one", " two", " three\\n", "é" * 50_000, "\\n"):
                sys.stdout.write(part)
                sys.stdout.flush()
            os.write(1, b"bad \\xff byte\\n")
            print("surrogate \\udc80")
        """
    )
    connection.run()
    assert connection.log() == "one two three\n" + "é" * 50_000 + "\nbad \ufffd byte\nsurrogate \\udc80\n"
    for event in connection.events:
        if event.type == "log":
            event.body.decode()


def test_the_streams_behave_as_files_do(pods):
    connection = pods.open(
        """
        import io, sys
        def f():
            out = sys.stdout
            assert not out.isatty() and out.fileno() == 1 and out.encoding.lower() == "utf-8" and out.writable()
            assert not out.closed and isinstance(out, io.TextIOBase)
            out.buffer.write(b"bytes\\n")
            out.buffer.flush()
            out.writelines(["a\\n", "b\\n"])
            out.reconfigure(line_buffering=True)
            sys.__stdout__.write("original\\n")
            try: out.write(b"")
            except TypeError: print("refused")
            out.close()
            print("still open")
        """
    )
    assert connection.run().outcome == "succeeded", connection.log("x", "stderr")
    assert connection.log() == "bytes\na\nb\noriginal\nrefused\nstill open\n"


def test_a_server_that_is_slow_to_acknowledge_holds_back_the_writer_and_loses_nothing(pods):
    connection = pods.open("def f():\n    for n in range(200_000): print(n, 'x' * 90)")
    connection.wait_for("ready")
    connection.acknowledging = False
    connection.execute()
    connection.wait_until(lambda _: len(connection.log()) > 3_000_000, "what fits into the window")
    connection.acknowledging = True
    connection.send("ack", n=connection.events[-1].header["n"])
    connection.finished()
    lines = connection.log().splitlines()
    assert len(lines) == 200_000
    assert lines[-1].startswith("199999 ")
