"""What the function returns against what the pipeline declares."""

import pytest

KINDS = {"s": "string", "n": "number", "b": "boolean", "a": "array", "j": "json"}
OUTPUTS = tuple(KINDS.items())
VALID = '{"s": "text", "n": 1.5, "b": True, "a": [1, "x"], "j": {"k": [None]}}'


def _returning(pods, expression, outputs=OUTPUTS, setup=""):
    connection = pods.open(f"{setup}\ndef f(): return {expression}", outputs=outputs)
    return connection, connection.run()


def test_values_of_each_type_come_through(pods):
    _, result = _returning(pods, VALID)
    assert result.values == {"s": "text", "n": 1.5, "b": True, "a": [1, "x"], "j": {"k": [None]}}


def test_none_is_allowed_for_any_type(pods):
    outputs = (*OUTPUTS, ("f", "file"))
    _, result = _returning(pods, "dict.fromkeys('snbajf')", outputs)
    assert result.values == dict.fromkeys("snbajf")
    assert result.files == {}


@pytest.mark.parametrize(
    ("output", "value", "message"),
    [
        ("s", "1", 'the output "s" must be a string, not an int'),
        ("n", "'1'", 'the output "n" must be a number, not a str'),
        ("n", "True", 'the output "n" must be a number, not a bool'),
        ("b", "1", 'the output "b" must be a boolean (bool), not an int'),
        ("a", "{1}", 'the output "a" must be an array (list or tuple), not a set'),
        ("j", "{1}", 'the output "j": a set cannot be written as JSON'),
        ("j", "{'k': [0, object()]}", "the output \"j\": an object at ['k'][1] cannot be written as JSON"),
        ("j", "{(1, 2): 3}", 'the output "j": a tuple at [(1, 2)] (its key) cannot be written as JSON'),
        ("n", "np.int64()", 'the output "n" must be a number, not a np.int64: convert it with .item()'),
        (
            "a",
            "np.ndarray()",
            'the output "a" must be an array (list or tuple), not a np.ndarray: convert it with .tolist()',
        ),
        ("j", "[np.int64()]", 'the output "j": a np.int64 at [0] cannot be written as JSON: convert it with .item()'),
        ("j", "loop", 'the output "j": it cannot be written as JSON: Circular reference detected'),
    ],
)
def test_a_wrong_type_is_named_with_what_to_do(pods, output, value, message):
    setup = """
import types
class int64:
    ndim = 0
    def item(self): return 1
    def tolist(self): return 1
class ndarray:
    ndim = 1
    def item(self): return 1
    def tolist(self): return [1]
int64.__module__ = ndarray.__module__ = "np"
np = types.SimpleNamespace(int64=int64, ndarray=ndarray)
loop = []
loop.append(loop)
"""
    expression = f"{{**{VALID}, {output!r}: {value}}}"
    connection, result = _returning(pods, expression, setup=setup)
    assert (result.outcome, result.kind, result.message) == ("failed", "invalid_output", message)
    assert message in connection.log("x", "stderr")


def test_a_missing_output_is_named(pods):
    _, result = _returning(pods, '{"s": ""}', (("s", "string"), ("t", "string")))
    assert result.message == 'the returned dict lacks the declared output "t"; its keys are: "s"'


def test_something_else_than_a_dict_is_refused(pods):
    _, result = _returning(pods, "[1]", (("s", "string"),))
    assert result.message == 'the function returned a list; it must return a dict with the keys "s"'


def test_without_declared_outputs_anything_may_be_returned(pods):
    _, result = _returning(pods, "object()", ())
    assert (result.outcome, result.values) == ("succeeded", {})


def test_undeclared_keys_are_ignored_with_one_line(pods):
    connection, result = _returning(pods, '{"s": "", "x": 1, "y": object()}', (("s", "string"),))
    assert result.values == {"s": ""}
    assert connection.log("x", "stderr") == "pipeyard: returned but not declared as outputs, ignored: x, y\n"


def test_nan_and_infinity_become_null_with_one_line(pods):
    connection, result = _returning(pods, '{"j": {"a": [float("nan"), -float("inf"), 1.5]}}', (("j", "json"),))
    assert result.values == {"j": {"a": [None, None, 1.5]}}
    assert "NaN or Infinity" in connection.log("x", "stderr")


def test_files_come_in_and_go_out_whole(pods):
    connection = pods.open(
        """
        def f(data, empty):
            content = open(data["path"], "rb").read()
            with open("result.bin", "wb") as out: out.write(content[::-1])
            result = {"big": {"path": "result.bin"}, "none": {"path": empty["path"]}, "n": len(content)}
            return result
        """,
        outputs=(("big", "file"), ("none", "file"), ("n", "number")),
    )
    content = bytes(range(256)) * 5000
    for name in "ab":
        result = connection.run(name, files={"data": content, "empty": b""})
        assert result.values == {"n": len(content)}
        assert result.files == {"big": content[::-1], "none": b""}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("'a.txt'", 'the output "f" is a str; a file output is returned as {"path": "<path of the file>"}'),
        ("{'path': 'no.txt'}", 'the output "f": the file "no.txt" does not exist (seen from /work)'),
        ("{'path': '/tmp'}", 'the output "f": the file "/tmp" is not a file (seen from /work)'),
    ],
)
def test_a_wrong_file_output_is_explained(pods, value, message):
    _, result = _returning(pods, f"{{'f': {value}}}", (("f", "file"),))
    assert (result.kind, result.message) == ("invalid_output", message)


def test_nothing_of_past_executions_files_stays_on_disk(pods):
    connection = pods.open(
        """
        import os
        def f(data):
            return {"f": {"path": data["path"]}, "left": os.listdir("/pod/inputs") + os.listdir("/pod/outbox")}
        """,
        outputs=(("f", "file"), ("left", "array")),
    )
    for name in ("a", "b", "c"):
        assert connection.run(name, files={"data": b"1"}).values == {"left": [name]}
