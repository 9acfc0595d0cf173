"""An elastic execution starts from an identical blank state and leaves nothing behind: afresh or forked."""

import pytest


@pytest.fixture(params=["pods", "warm_pods"])
def pods(request):
    return request.getfixturevalue(request.param)


CODE = """
    import os, pathlib
    calls = []

    def f(name):
        calls.append(name)
        seen = sorted(os.listdir("/tmp")) + sorted(os.listdir(os.environ["HOME"])) + sorted(os.listdir("."))
        old = os.environ.get("LEFT_BY")
        os.environ["LEFT_BY"] = name
        pathlib.Path("/tmp/left").write_text(name)
        pathlib.Path.home().joinpath("left").write_text(name)
        pathlib.Path("left").write_text(name)
        return {"calls": calls, "seen": [n for n in seen if n != "__pycache__"], "old": old}
"""
OUTPUTS = (("calls", "array"), ("seen", "array"), ("old", "string"))


def test_nothing_of_one_execution_is_seen_by_the_next(pods):
    for name in ("first", "second"):
        values = pods.elastic(CODE, outputs=OUTPUTS).run(inputs={"name": name}).values
        assert values == {"calls": [name], "seen": ["main.py"], "old": None}


def test_the_pipelines_code_itself_is_never_changed(pods):
    spec = pods.spec("def f(): open('main.py', 'w').write('')")
    ref = pods.runner.run(pods.runtime.start(spec))
    assert pods.connect(ref).run().outcome == "succeeded"
    assert (spec.code / "main.py").read_text().startswith("def f")


def test_the_pod_ends_by_itself_once_all_is_acknowledged(pods):
    connection = pods.elastic("def f(): pass")
    assert connection.run().outcome == "succeeded"
    connection.wait_for_end()
    (ref,) = pods.runner.run(pods.runtime.list())
    pods.runner.run(pods.runtime.exited(ref))
    assert pods.runner.run(pods.runtime.inspect(ref)).reason == "completed"


def test_processes_that_user_code_leaves_are_gone_with_the_pod(pods, unisolated_pods):
    for each in (pods, unisolated_pods):
        connection = each.elastic(
            """
            import subprocess, sys
            def f():
                code = "import time; time.sleep(1000)"
                subprocess.Popen([sys.executable, "-c", code, "left-behind"], start_new_session=True)
            """
        )
        assert connection.run().outcome == "succeeded"
        connection.wait_for_end()
        (ref,) = each.runner.run(each.runtime.list())
        each.runner.run(each.runtime.exited(ref))
        assert not _processes_named(b"left-behind")


def test_variables_are_there_before_the_module_is_imported(pods):
    code = """
        import os
        seen = dict(os.environ)
        def f(): return {"a": seen["A"], "b": seen["B"], "id": seen["CRAFT_AI_EXECUTION_ID"]}
    """
    outputs = (("a", "string"), ("b", "string"), ("id", "string"))
    connection = pods.elastic(code, outputs=outputs, variables={"A": "launch"})
    connection.send("environment", b'{"A": "launch", "B": "frame"}')
    assert connection.run().values == {"a": "launch", "b": "frame", "id": "x"}


def test_functions_registered_with_atexit_run(pods):
    connection = pods.elastic(
        """
        import atexit
        def f(): atexit.register(print, "good bye")
        """
    )
    connection.run()
    connection.wait_for_end()
    assert connection.log("x") == "good bye\n"


def _processes_named(name: bytes) -> list[str]:
    from pathlib import Path

    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if name in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
