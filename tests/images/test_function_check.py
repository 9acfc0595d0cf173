"""The function's file is read, never run: what is certain to fail is refused, what may work is not."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

from pipeyard.domain.pipelines import ContainerConfig, Input, PipelineDeclaration
from pipeyard.domain.values import DataType
from pipeyard.errors import BuildError
from pipeyard.images.commands import Command, run_for_text
from pipeyard.images.function_check import check_facts, check_function
from pipeyard.images.interpreters import Interpreter
from pipeyard.images.module_facts import facts

HERE = Interpreter((sys.version_info[0], sys.version_info[1], sys.version_info[2]), Path(sys.executable))


def _declaration(*inputs: str, name: str = "run") -> PipelineDeclaration:
    declared = tuple(Input(name, DataType.STRING) for name in inputs)
    return PipelineDeclaration("p", "src/main.py", name, None, declared, (), ContainerConfig())


def _check(source: str, *inputs: str) -> None:
    check_facts(_declaration(*inputs), facts(source.encode(), "run"), "3.11.7")


ACCEPTED = [
    ("def run(): ...", ()),
    ("async def run(): ...", ()),
    ("def run(a, b=1, *, c=2): ...", ("a", "c")),
    ("def run(**anything): ...", ("a", "b")),
    ("def run(a, *rest, b, **others): ...", ("a", "b", "z")),
    ("def run(a=1, /): ...", ()),
    ("def run(a=1, /, **others): ...", ("a", "b")),
    ("@decorated\ndef run(x): ...", ("a",)),
    ("run = lambda a: {}", ("a",)),
    ("run = make()", ("a",)),
    ("run: object = make()", ("a",)),
    ("a, run = make()", ("a",)),
    ("from other import run", ("a",)),
    ("from other import entry as run", ("a",)),
    ("import run", ("a",)),
    ("from other import *", ("a",)),
    ("class run:\n    def __init__(self, a): ...", ("a",)),
    ("if True:\n    def run(x): ...\nelse:\n    def run(a): ...", ("a",)),
    ("try:\n    from fast import run\nexcept ImportError:\n    def run(x): ...", ("a",)),
    ("def run(x): ...\nrun = wrap(run)", ("a",)),
    ("with context() as run: ...", ("a",)),
    ("for run in functions: ...", ("a",)),
    ("(run := make())", ("a",)),
    ("globals()['run'] = print", ("a",)),
    ("exec('def run(): ...')", ("a",)),
    ("import sys\nsetattr(sys.modules[__name__], 'run', print)", ("a",)),
    ("def define():\n    global run\n    run = print\ndefine()", ("a",)),
    ("def __getattr__(name): ...", ("a",)),
    ("def run(a):\n    def inner():\n        yield 1\n    return {'x': list(inner())}", ("a",)),
    ("def run(a):\n    return {'x': [i for i in (yield_ for yield_ in a)]}", ("a",)),
    ("model = None\ndef run(a):\n    global model\n    return {}", ("a",)),
]


@pytest.mark.parametrize(("source", "inputs"), ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_may_work_is_accepted(source: str, inputs: tuple[str, ...]) -> None:
    ast.parse(source)
    _check(source, *inputs)


REFUSED = [
    ("", (), "defines no function at its top level"),
    ("def other(): ...", (), 'defines no function "run"; it defines: other'),
    ("def runs(): ...\ndef b(): ...", (), 'runs, b (did you mean "runs"?)'),
    ("class A:\n    def run(self): ...", (), 'defines no function "run"'),
    ("def outer():\n    def run(): ...", (), 'defines no function "run"'),
    ("from run import main", (), 'defines no function "run"'),
    ("import other.run", (), 'defines no function "run"'),
    ("run = 3", (), "is a value, not a function"),
    ("run: dict = {}", (), "is a value, not a function"),
    ("def run(x, y=1): ...", ("a", "x"), "has no parameter for the declared inputs a; it has: x, y"),
    ("def run(): ...", ("a", "b"), "inputs a, b; it has: none"),
    ("def run(*everything): ...", ("a",), "inputs a; it has: none"),
    ("def run(a, b): ...", ("a",), "needs b, which no declared input"),
    ("def run(a, *, b): ...", ("a",), "needs b, which no declared input"),
    ("def run(a, **others): ...", ("b",), "needs a, which no declared input"),
    ("def run(a, /): ...", ("a",), "by position only"),
    ("def run(a, /, **others): ...", ("a",), "by position only"),
    ("def run(a=1, /): ...", ("a",), "has no parameter for the declared inputs a"),
    ("model = None\ndef run(x):\n    global model\n    return {}", ("a",), "inputs a; it has: x"),
    ("def run(a):\n    yield {}", ("a",), "uses yield"),
    ("async def run(a):\n    yield {}", ("a",), "uses yield"),
]


@pytest.mark.parametrize(("source", "inputs", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_certain_to_fail_is_refused(source: str, inputs: tuple[str, ...], said: str) -> None:
    ast.parse(source)
    with pytest.raises(BuildError) as caught:
        _check(source, *inputs)
    assert said in caught.value.message
    assert caught.value.message.startswith("src/main.py")


def test_a_syntax_error_names_file_line_and_text() -> None:
    with pytest.raises(BuildError) as caught:
        _check("x = 1\ndef run(:\n    pass\n")
    assert caught.value.message.startswith("src/main.py:2: Python 3.11.7 cannot read this file: ")
    assert "def run(:" in caught.value.message


@pytest.mark.parametrize(
    "source",
    [b"# coding: nonsense\n", b"x = '\xff'\n", b"a\0b", b"(" * 10_000, b"x = " + b"-" * 100_000 + b"1", b"\xff\xfe"],
    ids=range(6),
)
def test_what_is_no_python_is_an_error_with_a_message(source: bytes) -> None:
    _, text, message = facts(source, "run")["error"]
    assert message
    assert len(text) <= 200


def _write(tmp_path: Path, source: str) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text(source)
    return tmp_path


@pytest.mark.anyio
async def test_user_code_is_not_run_and_compiled(tmp_path: Path) -> None:
    code = _write(tmp_path, "open('touched', 'w')\ndef run(): ...\n")
    (code / "sitecustomize.py").write_text("open('touched', 'w')\n")
    (code / "ast.py").write_text("open('touched', 'w')\n")
    (code / "broken.py").write_text("def (")
    await check_function(HERE, code, _declaration(), os.environ)
    assert not list(code.rglob("touched"))
    compiled = sorted(path.name.split(".")[0] for path in code.rglob("*.pyc"))
    assert compiled == ["ast", "main", "sitecustomize"]


@pytest.mark.anyio
async def test_the_bytecode_is_valid_in_a_copy_of_the_code(tmp_path: Path) -> None:
    code = _write(tmp_path, "def run(): ...\n")
    await check_function(HERE, code, _declaration(), os.environ)
    copy = tmp_path / "copy"
    (tmp_path / "src").rename(copy)
    os.utime(copy / "main.py", (1, 1))
    text = await _run(copy, "-v", "-c", "import main")
    assert "code object from" in text
    assert "main.cpython" in text
    assert "# wrote" not in text
    (copy / "main.py").write_text("changed = True\n")  # code that rewrites a module of its own sees the new one
    await _run(copy, "-c", "import main; main.changed")


async def _run(folder: Path, *arguments: str) -> str:
    status, text = await run_for_text(Command([sys.executable, *arguments], folder, os.environ))
    assert status == 0, text
    return text


@pytest.mark.anyio
async def test_the_reason_comes_through_the_program(tmp_path: Path) -> None:
    code = _write(tmp_path, "def other(): ...\n")
    with pytest.raises(BuildError, match='defines no function "run"; it defines: other'):
        await check_function(HERE, code, _declaration(), os.environ)


@pytest.mark.anyio
async def test_a_file_that_is_too_deep_for_the_interpreter_is_refused(tmp_path: Path) -> None:
    code = _write(tmp_path, "x = " + "a." * 200_000 + "b\n")
    with pytest.raises(BuildError, match=r"src/main\.py: .*deeply|too|recursion"):
        await check_function(HERE, code, _declaration(), os.environ)


@pytest.mark.anyio
async def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r'no file "src/main\.py"'):
        await check_function(HERE, tmp_path, _declaration(), os.environ)
