"""Every way in which user code can fail, said in words, with the pod alive wherever it can be."""

import pytest


def test_a_raise_names_the_exception_and_shows_only_the_users_frames(pods):
    connection = pods.open(
        {
            "main.py": "import lib\ndef f():\n    lib.inner()",
            "lib.py": "def inner():\n    raise ValueError('of no use')",
        }
    )
    result = connection.run()
    assert (result.outcome, result.kind, result.message) == ("failed", "raised", "ValueError: of no use")
    trace = result.failure["traceback"]
    assert "pipeyard" not in trace
    assert trace.splitlines()[1].endswith('main.py", line 3, in f')
    assert connection.log("x", "stderr") == trace
    assert connection.run("again").kind == "raised"


def test_however_the_function_is_run_a_traceback_has_the_users_frames_alone(pods):
    code = """
        async def deep(): raise ValueError("deep")
        def f():
            return deep()
    """
    for start in (pods.elastic, pods.open, pods.parallel):
        frames = [line for line in start(code).run().failure["traceback"].splitlines() if line.startswith("  File")]
        assert [frame.rpartition(", in ")[2] for frame in frames] == ["deep"]


def test_what_an_exception_came_from_has_the_users_frames_alone(pods):
    connection = pods.open(
        """
        import sys
        def f():
            try:
                sys.stdout.write(3)
            except TypeError as error:
                raise RuntimeError("outer") from error
        """
    )
    trace = connection.run().failure["traceback"]
    assert "direct cause" in trace
    assert trace.count("  File") == trace.count("main.py") == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import sys; sys.exit(4)", "SystemExit: 4"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("f()", "RecursionError: "),
        ("class E(Exception): __str__ = lambda self: 1 / 0\n    raise E", "E"),
    ],
)
def test_whatever_is_raised_the_pod_lives(pods, line, message):
    connection = pods.open(f"def f():\n    {line}")
    result = connection.run("a")
    assert result.outcome == "failed"
    assert message in result.message
    assert connection.run("b").outcome == "failed"


def test_a_missing_package_is_named_with_the_remedy(pods):
    connection = pods.elastic("import nosuchpackage\ndef f(): pass")
    result = connection.run()
    assert (result.outcome, result.kind) == ("failed", "import_failed")
    assert result.message == "ModuleNotFoundError: No module named 'nosuchpackage'"
    assert "requirements_path" in result.failure["remedy"]
    assert "No module named 'nosuchpackage'" in connection.log("x", "stderr")


def test_a_low_latency_pod_whose_import_fails_says_so_and_ends(pods):
    connection = pods.open("print('begin')\n1 / 0")
    connection.execute("a")
    exited = connection.wait_for("exited").header
    assert (exited["reason"], exited["message"]) == ("import_failed", "ZeroDivisionError: division by zero")
    assert connection.log(None) == "begin\n"
    assert "ZeroDivisionError" in connection.log(None, "stderr")
    connection.wait_for_end()
    assert connection.count("started") == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"function_path": "other.py"}, 'there is no file "other.py"'),
        ({"function_name": "g"}, 'there is no function "g" in "main.py"; it defines f, helper'),
        ({"function_name": "N"}, '"N" in "main.py" is not a function'),
    ],
)
def test_a_wrong_function_is_told_what_there_is(pods, fields, message):
    connection = pods.elastic("N = 1\ndef f(): pass\ndef helper(): pass", **fields)
    result = connection.run()
    assert result.kind == "import_failed"
    assert message in result.message


def test_a_syntax_error_is_an_import_failure(pods):
    result = pods.elastic("def f(:\n    pass").run()
    assert (result.kind, result.message) == ("import_failed", "SyntaxError: invalid syntax")


@pytest.mark.parametrize(
    ("line", "outcome", "kind", "message"),
    [
        ("os.kill(os.getpid(), 11)", "failed", "signalled", "killed by signal 11 (SIGSEGV)"),
        ("os.abort()", "failed", "signalled", "killed by signal 6 (SIGABRT)"),
        ("os.kill(os.getpid(), 9)", "error", "signalled", "killed by signal 9 (SIGKILL)"),
        ("os._exit(3)", "failed", "exited", "the process ended with code 3 before the function returned"),
        ("os._exit(0)", "failed", "exited", "the process ended with code 0 before the function returned"),
    ],
)
@pytest.mark.parametrize("mode", ["open", "elastic"])
def test_the_death_of_the_process_is_explained(pods, mode, line, outcome, kind, message):
    connection = getattr(pods, mode)(f"import os\ndef f(): {line}")
    result = connection.run()
    assert (result.outcome, result.kind, result.message) == (outcome, kind, message)
    assert result.failure["remedy"]
    exited = connection.wait_for("exited").header
    assert (exited["reason"], exited["message"]) == (kind, message)


def test_executions_that_had_not_started_are_left_to_another_pod(pods):
    connection = pods.open("import os, time\ndef f():\n    time.sleep(0.1)\n    os._exit(1)")
    for name in "abc":
        connection.execute(name)
    connection.wait_for("exited")
    assert connection.count("started") == connection.count("finished") == 1


def test_a_wrong_argument_is_a_failure_of_the_function(pods):
    result = pods.open("def f(a): pass").run(inputs={"b": 1})
    assert "unexpected keyword argument 'b'" in result.message


def test_a_process_forked_by_user_code_cannot_report_twice(pods):
    connection = pods.open("import os\ndef f():\n    os.fork()\n    return {'n': 1}", outputs=(("n", "number"),))
    assert connection.run("a").values == {"n": 1}
    assert connection.run("b").values == {"n": 1}
    assert connection.count("finished") == 2


def test_forged_frames_on_the_channel_do_not_end_the_supervisor(pods):
    connection = pods.open(
        """
        import json, os, socket, struct
        def f():
            channel = socket.socket(fileno=os.dup(3))
            for header in ({"type": "finished"}, {"type": "log"}, {"type": "finished", "execution_id": []}, {"type": 7},
                           {"type": "log", "execution_id": {}, "stream": "stdout"}, {"type": "import_failed"}):
                head = json.dumps(header).encode()
                channel.sendall(struct.pack(">II", len(head), 0) + head)
            channel.close()
        """
    )
    assert connection.run("a").outcome == "succeeded"
    assert connection.run("b").outcome == "succeeded"
