"""Every way in which a user's function can fail, end to end: Failed, a reason that helps, and the next one works."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from craft_ai_sdk import Input, InputSource, Output

from tests.e2e.calls import Calls
from tests.platforms import Platform

MODES = ("elastic", "low_latency")
# Frames and names of the program in the pod, which no user should have to read.
OURS = ("pipeyard_pod", "pipeyard/pod", "queued.py", "worker.py", "supervisor.py")
KINDS = {"text": "string", "number": "number", "flag": "boolean", "items": "array", "thing": "json", "report": "file"}
ALL = [Output(name, data_type) for name, data_type in KINDS.items()]
GOOD = {"text": "a", "number": 1, "flag": True, "items": [1], "thing": {"a": None}}


@dataclass(frozen=True)
class Case:
    """`lines` are what the function does; a function that does nothing returns what is declared."""

    sentence: str
    lines: str
    kind: str
    said: tuple[str, ...]
    logged: str | None = None  # None: the first of `said`
    signal: str | None = None
    exit_code: int | None = None


def returning(sentence: str, name: str, expression: str, *said: str) -> Case:
    """One output is wrong, the others are right."""
    lines = f"return good | {{{name!r}: {expression}}}"
    return Case(sentence, lines, "invalid_output", (f'the output "{name}"', *said))


CASES = [
    Case("a function that raises", "raise ValueError('of no use')", "raised", ("ValueError: of no use",)),
    Case(
        "an exception out of another",
        "try:\n    {}['k']\nexcept KeyError as error:\n    raise RuntimeError('outer') from error",
        "raised",
        ("RuntimeError: outer",),
        "KeyError: 'k'",
    ),
    Case(
        "a group of exceptions",
        "raise ExceptionGroup('several', [ValueError('one'), TypeError('two')])",
        "raised",
        ("several",),
        "TypeError: two",
    ),
    Case("an exception that cannot say what it is", "raise Mute", "raised", ("Mute",)),
    Case("an exception with an endless message", "raise ValueError('x' * 1_000_000)", "raised", ("left out",)),
    Case("an import in the function that fails", "import nosuchpackage", "raised", ("nosuchpackage",)),
    Case("sys.exit", "sys.exit(4)", "raised", ("SystemExit: 4",)),
    Case("an interrupt", "raise KeyboardInterrupt", "raised", ("KeyboardInterrupt",)),
    Case("a stream that refuses what it is given", "sys.stdout.write(3)", "raised", ("TypeError",)),
    Case("a recursion without end", "def again(): again()\nagain()", "raised", ("RecursionError",)),
    Case("memory that is not to be had", "bytearray(1 << 60)", "raised", ("MemoryError",)),
    Case("nothing returned", "return None", "invalid_output", ("returned None", '"text"')),
    Case("a list instead of a dict", "return [good]", "invalid_output", ("returned a list", "must return a dict")),
    Case(
        "an output that is missing",
        "del good['flag'], good['items']; return good",
        "invalid_output",
        ('lacks the declared output "flag", "items"', "its keys are"),
    ),
    returning("a number for a string", "text", "1", "must be a string", "int"),
    returning("a string for a number", "number", "'1'", "must be a number", "str"),
    returning("a boolean for a number", "number", "True", "must be a number", "bool"),
    returning("a number for a boolean", "flag", "0", "must be a boolean", "int"),
    returning("a dict for an array", "items", "{}", "must be an array", "dict"),
    returning("a set in a json output", "thing", "{'a': {1}}", "a set at ['a'] cannot be written as JSON"),
    returning("an object in an array", "items", "[0, object()]", "an object at [1] cannot be written as JSON"),
    returning("a number as NumPy has it", "number", "Scalar()", "Scalar", ".item()"),
    returning("a circle in a json output", "thing", "circle()", "Circular reference"),
    returning("a json output nested 970 levels deep", "thing", "deep(970)"),
    returning("a json output nested 3,000 levels deep", "thing", "deep(3_000)", "recursion depth"),
    Case(
        "values beyond the limit",
        "return good | {'text': 'x' * 6_000_000}",
        "invalid_output",
        ("6000080 bytes", "the limit is 5000000"),
        "",
    ),
    returning("a file that does not exist", "report", "{'path': 'nope.txt'}", '"nope.txt" does not exist'),
    returning("a folder for a file", "report", "{'path': '.'}", "is not a file"),
    returning("a file without its path", "report", "{'name': 'a'}", '{"path":'),
    returning("text for a file", "report", "'report.txt'", '{"path":'),
    Case("os._exit", "os._exit(3)", "exited", ("code 3",), "", exit_code=3),
    Case("os.abort", "os.abort()", "signalled", ("SIGABRT",), "", signal="SIGABRT"),
    Case("a null pointer", "import ctypes; ctypes.string_at(0)", "signalled", ("SIGSEGV",), "", signal="SIGSEGV"),
]

SOURCE = """
import os, sys

class Mute(Exception):
    def __str__(self): return 1 / 0

class Scalar:
    ndim = 0
    def item(self): return 1
Scalar.__module__ = "numpy"

def circle():
    value = {}
    value["self"] = value
    return value

def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value

def main(way):
    good = {"text": "a", "number": 1, "flag": True, "items": [1], "thing": {"a": None}, "report": None}
    return good if way is None else WAYS[way](good)
"""


def source_of(ways: Sequence[str]) -> str:
    """A function that does what `way` says; null is the way that is right."""
    bodies = [
        f"def way_{index}(good):\n{textwrap.indent(lines, ' ' * 4)}\n    return good"
        for index, lines in enumerate(ways)
    ]
    names = ", ".join(f"way_{index}" for index in range(len(ways)))
    return "\n\n".join([SOURCE, *bodies, f"WAYS = [{names}]"])


def check_reason(failure: dict[str, Any], case: Case) -> None:
    assert failure["kind"] == case.kind
    for said in case.said:
        assert said in failure["message"]
    assert len(failure["message"]) < 10_000
    assert failure["traceback"] or failure["remedy"], "neither a traceback nor what to do"
    assert not any(word in (failure["traceback"] or "") for word in OURS), failure["traceback"]
    assert (failure["signal"], failure["exit_code"]) == (case.signal, case.exit_code)


def check_log(log: str, case: Case) -> None:
    assert (case.said[0] if case.logged is None else case.logged) in log
    if case.kind == "raised":
        assert log.startswith("Traceback") or "Traceback" in log
        assert "in main" in log
    assert not any(word in log for word in OURS), log


@pytest.fixture(scope="module")
def deployments(calls: Calls) -> dict[str, dict[str, Any]]:
    pipeline = calls.pipeline(source_of([case.lines for case in CASES]), [Input("way", "json")], ALL)
    return {mode: calls.platform.deploy(pipeline, mode) for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_a_failure_of_the_function_has_its_reason_and_the_next_execution_works(
    calls: Calls, deployments: dict[str, dict[str, Any]], case: Case, mode: str
) -> None:
    deployment, way = deployments[mode], CASES.index(case)
    if case.kind in ("exited", "signalled"):  # one of its own: a pod that dies again and again is started ever later
        deployment, way = calls.deploy(source_of([case.lines]), mode, ALL), 0
    answer = calls.call(deployment, way)
    check_reason(calls.failure(answer), case)
    check_log(calls.log(answer), case)
    after = calls.call(deployment, None)
    assert after.status_code == 200, after.text
    assert after.json()["outputs"] == GOOD | {"report": None}


# --- before the function runs ---


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def main(:\n    pass", "main.py:1"),
        ("def mian(): pass", 'defines no function "main"'),
        ("main = 3", '"main" is a value, not a function'),
        ("def main(a): pass", "needs a"),
        ("def main():\n    yield 1", "uses yield"),
        ("", "no function at its top level"),
    ],
    ids=["a syntax error", "another function", "a value", "an input too many", "a generator", "nothing"],
)
def test_what_cannot_be_called_fails_the_creation_of_its_pipeline(platform: Platform, source: str, said: str) -> None:
    before = {row["pipeline_name"] for row in platform.sdk.list_pipelines()}
    with pytest.raises(Exception, match="failed"):
        platform.create_pipeline(source)
    (name,) = {row["pipeline_name"] for row in platform.sdk.list_pipelines()} - before
    log = "\n".join(line["message"] for line in platform.sdk.get_pipeline_logs(name))
    assert said in log
    assert not any(word in log for word in OURS)
    platform.sdk.delete_pipeline(name)


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nosuchpackage", "nosuchpackage"),
        ("import sys; sys.exit(1)", "SystemExit"),
    ],
)
def test_a_file_that_raises_fails_each_elastic_execution(calls: Calls, top: str, said: str) -> None:
    deployment = calls.deploy(f"{top}\ndef main(way): return {{}}", "elastic")
    for _ in range(2):
        answer = calls.call(deployment, None)
        failure = calls.failure(answer)
        assert failure["kind"] == "import_failed"
        assert said in failure["message"]
        assert said in calls.log(answer)
        assert "main.py" in calls.log(answer)
        assert not any(word in calls.log(answer) for word in OURS)


def test_a_file_that_raises_fails_the_creation_of_a_low_latency_deployment(calls: Calls) -> None:
    pipeline = calls.pipeline("print('so far')\n1 / 0\ndef main(): return {}")
    with pytest.raises(Exception, match="failed"):
        calls.platform.deploy(pipeline, "low_latency")
    (row,) = (row for row in calls.platform.sdk.list_deployments() if row["pipeline_name"] == pipeline)
    deployment = calls.http.get(f"/api/v1/deployments/{row['name']}").json()
    assert deployment["status"] == "creation_failed"
    failed = deployment["last_pod_failure"]
    assert (failed["kind"], failed["message"]) == ("import_failed", "ZeroDivisionError: division by zero")
    assert "main.py" in failed["traceback"]
    assert failed["last_log_lines"][0] == {"stream": "stdout", "message": "so far"}
    log = "\n".join(line["message"] for line in calls.platform.sdk.get_deployment_logs(row["name"]))
    assert "so far" in log
    assert "ZeroDivisionError" in log
    assert not any(word in log for word in OURS)
    answer = calls.platform.call(deployment, {})
    assert answer.status_code == 409
    assert "could not be created; see its logs" in answer.json()["message"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("data_type", "wrong", "right", "said"),
    [
        ("string", None, "a", "UNSET_VARIABLE, which does not exist"),
        ("number", "many", "1", "not of type number"),
        ("number", "true", "1", "not of type number"),
        ("boolean", "1", "true", "not of type boolean"),
        ("array", "{}", "[]", "not of type array"),
        ("number", "[" * 60_000, "1", "not of type number"),
        ("json", "[" * 60_000 + "]", "[]", None),
    ],
    ids=["missing", "a word", "a boolean", "a number", "an object", "deep rubbish", "deep rubbish as json"],
)
def test_a_variable_that_an_input_cannot_take_fails_the_execution(
    calls: Calls, mode: str, data_type: str, wrong: str | None, right: str, said: str | None
) -> None:
    pipeline = calls.pipeline("def main(value): return {}", [Input("value", data_type)])
    mapping = [InputSource("value", environment_variable_name="UNSET_VARIABLE")]
    deployment = calls.platform.deploy(pipeline, mode, inputs_mapping=mapping)
    try:
        if wrong is not None:
            calls.platform.sdk.create_or_update_environment_variable("UNSET_VARIABLE", wrong)
        answer = calls.platform.call(deployment, {}, headers={"Prefer": "wait=5"})
        if said is None:
            assert answer.status_code == 200  # text that is no JSON is a JSON string
        else:
            failure = calls.failure(answer)
            assert failure["kind"] == "invalid_input"
            assert failure["message"].startswith("value: ")
            assert said in failure["message"]
            assert "variable" in failure["remedy"]
        calls.platform.sdk.create_or_update_environment_variable("UNSET_VARIABLE", right)
        assert calls.platform.call(deployment, {}).status_code == 200
    finally:
        calls.platform.sdk.delete_environment_variable("UNSET_VARIABLE")


# --- too long ---


@pytest.mark.parametrize(
    ("mode", "define", "wait", "options"),
    [
        ("elastic", "def", "time.sleep(60)", {}),
        ("elastic", "def", "while True: pass", {}),
        ("elastic", "async def", "await asyncio.sleep(60)", {}),
        ("low_latency", "async def", "await asyncio.sleep(60)", {}),
        ("low_latency", "async def", "await asyncio.sleep(60)", {"enable_parallel_executions": True}),
        ("low_latency", "def", "time.sleep(5)", {"enable_parallel_executions": True}),
    ],
    ids=["elastic sleeps", "elastic computes", "elastic awaits", "queue awaits", "parallel awaits", "parallel sleeps"],
)
def test_an_execution_beyond_its_timeout_fails(
    calls: Calls, mode: str, define: str, wait: str, options: dict[str, Any]
) -> None:
    source = f"import asyncio, time\n{define} main(way):\n    if way is not None:\n        {wait}\n    return {{}}"
    deployment = calls.deploy(source, mode, execution_timeout_s=1, **options)
    failure = calls.failure(calls.call(deployment, 0))
    assert failure["kind"] == "timed_out"
    assert "1 s" in failure["message"]
    assert "execution_timeout_s" in failure["remedy"]
    assert calls.call(deployment, None).status_code == 200


# --- odd, but no failure ---


# What the function does, which outputs differ then, and what its log has.
ODD: list[tuple[str, dict[str, Any], str]] = [
    ("good['extra'] = 1", {}, "returned but not declared as outputs, ignored: extra"),
    ("good['number'] = float('nan')", {"number": None}, "become null"),
    ("good['items'] = [float('inf'), 1]", {"items": [None, 1]}, "become null"),
    ("good['items'] = (1, 2)", {"items": [1, 2]}, ""),
    ("good['text'] = 'a\\ud800\\0'", {"text": "a\ud800\0"}, ""),
    ("good['thing'] = None", {"thing": None}, ""),
    ("import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", {}, "ZeroDivisionError"),
    ("print('x' * 3_000_000)", {}, "x" * 60_000),
    ("os.write(1, b'\\xff\\xfe caf\\xe9\\n')", {}, "caf\ufffd"),
    ("sys.stdout.buffer.write(b'\\xff cut'); sys.stdout.flush()", {}, "\ufffd cut"),
    ("print('a\\0b\\ud800')", {}, "a\0b"),
    ("sys.stdout.close()", {}, ""),
    ("os.close(1); os.close(2)", {}, ""),
    ("import atexit; atexit.register(os._exit, 9)", {}, ""),
]
LASTING = ("close(", "atexit")  # what a pod does not get over, so that it is one of its own


@pytest.fixture(scope="module")
def odd_deployments(calls: Calls) -> dict[str, dict[str, Any]]:
    pipeline = calls.pipeline(source_of([lines for lines, _, _ in ODD]), [Input("way", "json")], ALL)
    return {mode: calls.platform.deploy(pipeline, mode) for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", range(len(ODD)), ids=lambda way: ODD[way][0])
def test_what_is_odd_is_no_failure(
    calls: Calls, odd_deployments: dict[str, dict[str, Any]], mode: str, way: int
) -> None:
    lines, outputs, logged = ODD[way]
    deployment = odd_deployments[mode]
    if mode == "low_latency" and any(word in lines for word in LASTING):
        deployment, way = calls.deploy(source_of([lines]), mode, ALL), 0
    answer = calls.call(deployment, way)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"] == GOOD | {"report": None} | outputs
    assert logged in calls.log(answer)
    assert not any(word in calls.log(answer) for word in OURS)
    assert calls.call(deployment, None).status_code == 200
