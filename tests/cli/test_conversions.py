"""What travels with the code of a deploy: JSON and files in, objects for the function, JSON and files out."""

# ruff: noqa: UP007, UP045  # the older spellings are among what is tested

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
import os
import subprocess
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from uv import find_uv_bin

from pipeyard.cli.deploying import conversions
from pipeyard.cli.deploying.conversions import adapt, build, write
from pipeyard.images.interpreters import Interpreters

PYTHONS = [str(found.path) for found in asyncio.run(Interpreters(find_uv_bin(), os.environ).by_language()).values()]


class Item(BaseModel):
    name: str
    size: float = 1


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0


@dataclasses.dataclass
class Line:
    points: list[Point]
    name: str | None = None


class Colour(enum.Enum):
    RED = "red"


BUILT = [
    (int, 3, 3),
    (None, {"a": 1}, {"a": 1}),
    (Any, [1], [1]),
    (Item, {"name": "a"}, Item(name="a")),
    (typing.Optional[Item], None, None),
    (typing.Optional[Item], {"name": "a"}, Item(name="a")),
    (Item | None, {"name": "a"}, Item(name="a")),
    (typing.Union[int, str], "a", "a"),
    (list[Item], [{"name": "a"}], [Item(name="a")]),
    (Sequence[Item], [{"name": "a"}], [Item(name="a")]),
    (dict[str, Point], {"p": {"x": 1}}, {"p": Point(1)}),
    (Point, {"x": 1, "y": 2}, Point(1, 2)),
    (Line, {"points": [{"x": 1}]}, Line([Point(1)])),
    (Colour, "red", Colour.RED),
    (Annotated[Colour, "which"], "red", Colour.RED),
    (tuple, [1, 2], (1, 2)),
    (tuple[int, Colour], [1, "red"], (1, Colour.RED)),
    (tuple[Colour, ...], ["red", "red"], (Colour.RED, Colour.RED)),
    (set[int], [1, 1], {1}),
    (frozenset, [1], frozenset({1})),
    (Path, {"path": "a/b"}, Path("a/b")),
    (typing.Optional[Path], {"path": "a/b"}, Path("a/b")),
]
WRITTEN = [
    (3, 3),
    (Item(name="a"), {"name": "a", "size": 1.0}),
    ([Item(name="a")], [{"name": "a", "size": 1.0}]),
    (Line([Point(1)]), {"points": [{"x": 1, "y": 0}], "name": None}),
    ({"p": Point(1), "c": Colour.RED}, {"p": {"x": 1, "y": 0}, "c": "red"}),
    ((1, {2}), [1, [2]]),
    (Path("a/b"), {"path": "a/b"}),
    ({"model": Path("a")}, {"model": {"path": "a"}}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), BUILT, ids=str)
def test_what_an_annotation_says_is_built(kind: Any, value: Any, expected: Any) -> None:
    built = build(kind, value)
    assert built == expected
    assert type(built) is type(expected)


@pytest.mark.parametrize(("value", "expected"), WRITTEN, ids=str)
def test_what_a_function_returns_is_written(value: Any, expected: Any) -> None:
    assert write(value) == expected


def test_bytes_are_files_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_bytes(b"\0in")
    assert build(bytes, {"path": "in"}) == b"\0in"
    assert Path(write(b"\0out")["path"]).read_bytes() == b"\0out"


def test_none_leaves_a_parameter_its_own_default() -> None:
    def function(a, b=[1], c=None, d="x"):  # type: ignore[no-untyped-def]  # noqa: B006
        return {"all": [a, b, c, d]}

    assert adapt(function)(a=None, b=None, c=None, d=None) == {"all": [None, [1], None, "x"]}


def test_a_coroutine_stays_one_and_a_lone_result_gets_its_name() -> None:
    async def function(point: Point) -> float:
        return point.x

    adapted = adapt(function, "result")
    assert inspect.iscoroutinefunction(adapted)
    with pytest.raises(StopIteration) as ended:
        adapted(point={"x": 2}).send(None)
    assert ended.value.value == {"result": 2}


def test_an_input_that_does_not_fit_is_named() -> None:
    def function(point: Point) -> None: ...

    with pytest.raises(ValueError, match='the input "point" cannot be made into Point: '):
        adapt(function)(point={"nope": 1})


@pytest.mark.parametrize("python", PYTHONS)
def test_it_works_on_the_pythons_of_pipelines(python: str, tmp_path: Path) -> None:
    (tmp_path / "conversions.py").write_text(inspect.getsource(conversions))
    program = (
        "import dataclasses, typing, conversions\n"
        "@dataclasses.dataclass\n"
        "class P:\n    x: float\n"
        "def f(p: typing.Optional[P], q: typing.List[P], r: typing.Tuple[int, ...] = (1,)):\n"
        "    return p.x, q[0].x, r\n"
        "print(conversions.adapt(f, 'y')(p={'x': 1}, q=[{'x': 2}], r=[3]))\n"
    )
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{'y': [1, 2, [3]]}\n", done.stderr
