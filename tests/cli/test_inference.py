"""What `pipeyard deploy` reads from a function: inputs, outputs, descriptions, refusals. Nothing is imported."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pipeyard.cli.deploying.folders import find_function
from pipeyard.cli.deploying.signatures import Signature, read_signature
from pipeyard.errors import InvalidInputError

HEAD = """
import datetime, enum, pathlib, typing as t
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import *
from pydantic import BaseModel

class Item(BaseModel):
    name: str
    size: float = 1

class Special(Item):
    tags: list[str]

@dataclass
class Point:
    x: float
    y: float

class Colour(str, Enum):
    RED = "red"

class Level(enum.IntEnum):
    LOW = 1

class Both(TypedDict):
    digits: list[int]
    score: NotRequired[float]
    plot: Path

class Upload(TypedDict):
    path: str

Vector = list[float]
UserId = NewType("UserId", int)
LIMIT = 7
"""

# A parameter, and its input: `name:data_type`, `?` for one that is not required, `=value` for its default value,
# `~` where the function is adapted.
INPUTS = [
    ("x", "x:json"),
    ("x: str", "x:string"),
    ("x: int", "x:number"),
    ("x: float", "x:number"),
    ("x: bool", "x:boolean"),
    ("x: dict", "x:json"),
    ("x: dict[str, int]", "x:json"),
    ("x: Dict[str, Any]", "x:json"),
    ("x: t.Mapping[str, float]", "x:json"),
    ("x: list", "x:array"),
    ("x: list[list[float]]", "x:array"),
    ("x: typing.List[int]", "x:array"),
    ("x: Sequence[str]", "x:array"),
    ("x: tuple[int, int]", "x:array ~"),
    ("x: set[str]", "x:array ~"),
    ("x: Any", "x:json"),
    ("x: object", "x:json"),
    ("x: Path", "x:file ~"),
    ("x: pathlib.Path", "x:file ~"),
    ("x: bytes", "x:file ~"),
    ("x: Upload", "x:file"),
    ("x: Both", "x:json"),
    ("x: Item", "x:json ~"),
    ("x: Special", "x:json ~"),
    ("x: list[Item]", "x:array ~"),
    ("x: dict[str, Point]", "x:json ~"),
    ("x: Point", "x:json ~"),
    ("x: Colour", "x:string ~"),
    ("x: Level", "x:number ~"),
    ("x: Vector", "x:array"),
    ("x: UserId", "x:number"),
    ('x: "str"', "x:string"),
    ('x: "list[Item]"', "x:array ~"),
    ('x: Literal["a", "b"]', "x:string"),
    ("x: Literal[1, 2]", "x:number"),
    ('x: Literal[1, "a"]', "x:json"),
    ('x: Annotated[int, "how many"]', "x:number"),
    ("x: Optional[str]", "x:string?"),
    ("x: str | None", "x:string?"),
    ("x: None | list[int]", "x:array?"),
    ("x: Union[int, float]", "x:number"),
    ("x: Union[int, str, None]", "x:json?"),
    ("x: int | str", "x:json"),
    ("x: Optional[Path]", "x:file? ~"),
    ("x: str = 'a'", "x:string?='a'"),
    ("x: str = ''", "x:string?=''"),
    ("x: int = 3", "x:number?=3"),
    ("x: int = 0", "x:number?=0"),
    ("x: float = -1.5", "x:number?=-1.5"),
    ("x: bool = False", "x:boolean?=False"),
    ("x=False", "x:boolean?=False"),
    ("x=2", "x:number?=2"),
    ("x='a'", "x:string?='a'"),
    ("x=None", "x:json?"),
    ("x: str = None", "x:string?"),
    ("x: Optional[int] = 4", "x:number?=4"),
    ("x=LIMIT", "x:number?=7"),
    ("x: float = LIMIT", "x:number?=7"),
    ("x=[1, 2]", "x:array? ~"),
    ("x={}", "x:json? ~"),
    ("x: list = []", "x:array? ~"),
    ("x: float = pow(2, 3)", "x:number? ~"),
    ("x: Colour = Colour.RED", "x:string? ~"),
    ("x, *, y: int = 1", "x:json y:number?=1"),
    ("x: int, *rest, **more", "x:number"),
    ("x: int, _cache={}", "x:number"),
    ("", ""),
]

# The body of a function that takes `a: int, b: str, c`, its return annotation, its outputs; `~` where it is adapted.
OUTPUTS = [
    ("", "pass", ""),
    ("", "return", ""),
    ("", "return None", ""),
    (" -> None", "print(a)", ""),
    ("", 'return {"x": 1}', "x:number"),
    ("", 'return {"x": "a", "y": True, "z": None}', "x:string y:boolean z:json"),
    ("", 'return {"x": [a], "y": {"k": 1}, "z": {"path": "model.bin"}}', "x:array y:json z:file"),
    ("", 'return {"x": a, "y": b, "z": c}', "x:number y:string z:json"),
    ("", 'return {"x": a + 1, "y": b + "!", "z": a > 1}', "x:number y:string z:boolean"),
    ("", 'return {"x": f"{a}", "y": c.tolist(), "z": len(c)}', "x:string y:array z:number"),
    ("", 'x = c - 1\nreturn {"x": x}', "x:number"),
    ("", 'x = 0\nfor y in c: x += y\nreturn {"x": x}', "x:number"),
    ("", 'x = c.tolist()\nreturn {"x": x, "n": len(x)}', "x:array n:number"),
    ("", 'x, y = c.split(), 1\nreturn {"x": x, "y": y}', "x:array y:number"),
    ("", 'if a: return {"x": 1}\nreturn {"x": 2}', "x:number"),
    ("", 'if a: return {"x": 1}\nreturn {"x": "none"}', "x:json"),
    ("", 'return {"x": 1 if a else 2}', "x:number"),
    ("", 'return dict(x=1, y="b")', "x:number y:string"),
    ("", 'r = {"x": 1}\nr["y"] = b\nreturn r', "x:number y:string"),
    ("", 'r = {}\nwith open(b) as f:\n    r["x"] = f.read().upper()\nreturn r', "x:string"),
    ("", 'def inner(): return 5\nreturn {"x": inner()}', "x:json"),
    (" -> dict", 'return {"x": 1}', "x:number"),
    (" -> dict[str, float]", 'return {"x": c}', "x:json"),
    (" -> Both", "return c", "digits:array score:number plot:file ~"),
    (" -> Upload", "return c", "result:file ~"),
    (" -> Item", "return c", "name:string size:number ~"),
    (" -> Special", "return c", "name:string size:number tags:array ~"),
    (" -> Point", "return c", "x:number y:number ~"),
    (" -> float", "return c", "result:number ~"),
    (" -> list[Item]", "return c", "result:array ~"),
    (" -> Path", "return c", "result:file ~"),
    (" -> Optional[str]", "return c", "result:string ~"),
    ("", "return a + 1", "result:number ~"),
    ("", "return [c]", "result:array ~"),
]

# A function, where the problem is, what is said.
REFUSALS = [
    ("def f(x: Unknown): pass", "main.py:1", 'the input "x": Unknown has no data type'),
    ("def f(x: 'np.ndarray'): pass", "main.py:1", "has no data type"),
    ("import datetime\ndef f(x: datetime.datetime): pass", "main.py:2", "datetime.datetime has no data type"),
    ("class Plain: pass\ndef f(x: Plain): pass", "main.py:2", "Plain has no data type"),
    ("from pathlib import Path\ndef f(x: Path | int): pass", "main.py:2", "has no data type"),
    ("def f(x, /): pass", "main.py:1", "by position only"),
    ("def f(_x): pass", "main.py:1", 'the parameter "_x" cannot be an input'),
    ("def f(x):\n    yield x", "main.py:2", "yield"),
    ("def f(x):\n    return g(x)", "main.py:2", "cannot tell which outputs f returns"),
    ("def f(x) -> dict:\n    return x", "main.py:2", "cannot tell which outputs"),
    ("def f(x) -> dict: ...", "main.py:1", "cannot tell which outputs"),
    ("def f(x):\n    return {x: 1}", "main.py:2", "cannot tell which outputs"),
    ("def f(x):\n    return {**x, 'a': 1}", "main.py:2", "cannot tell which outputs"),
    ("def f(x):\n    if x: return {'a': 1}\n    return {'b': 1}", "main.py:3", "other keys than line 2: a, b"),
    ("def f(x):\n    if x: return {'a': 1}\n    return 3", "main.py:3", "cannot tell which outputs"),
    ("def f(x):\n    r = {}\n    if x:\n        r['a'] = 1\n    return r", "main.py:4", 'sets "a" on some ways only'),
    ("def f(x):\n    r = {}\n    r.update(x)\n    return r", "main.py:4", "cannot tell which outputs"),
    ("def f(x):\n    r = {}\n    r[x] = 1\n    return r", "main.py:4", "cannot tell which outputs"),
    ("def f(:", "main.py:1", "is not Python"),
]


def _read(folder: Path, text: str, function: str | None = "f") -> Signature:
    (folder / "main.py").write_text(text)
    return read_signature(*find_function(folder, function))


def _shown(signature: Signature) -> tuple[str, str]:
    inputs = [
        f"{one.name}:{one.data_type}{'' if one.is_required else '?'}"
        + ("" if one.default_value is None else f"={one.default_value!r}")
        for one in signature.inputs
    ]
    outputs = [f"{one.name}:{one.data_type}" for one in signature.outputs]
    return " ".join(inputs), " ".join(outputs)


@pytest.mark.parametrize(("parameters", "expected"), INPUTS, ids=lambda text: text or "nothing")
def test_the_inputs_of(parameters: str, expected: str, tmp_path: Path) -> None:
    signature = _read(tmp_path, f"{HEAD}\ndef f({parameters}): pass\n")
    assert _shown(signature)[0] + " ~" * signature.is_adapted == expected
    assert signature.outputs == ()


@pytest.mark.parametrize(("annotation", "body", "expected"), OUTPUTS, ids=lambda text: text or "nothing")
def test_the_outputs_of(annotation: str, body: str, expected: str, tmp_path: Path) -> None:
    source = f"{HEAD}\ndef f(a: int, b: str, c){annotation}:\n{textwrap.indent(body, '    ')}\n"
    signature = _read(tmp_path, source)
    assert _shown(signature)[1] + " ~" * signature.is_adapted == expected


@pytest.mark.parametrize(("source", "place", "said"), REFUSALS)
def test_it_refuses(source: str, place: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as raised:
        _read(tmp_path, source)
    assert raised.value.field == place
    assert said in raised.value.message
    assert "\n" not in raised.value.message


def test_types_come_from_other_files_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "__init__.py").write_text("from .inner import Result, Flag\n")
    (tmp_path / "shapes" / "inner.py").write_text(
        "from typing import TypedDict\nFlag = bool\nclass Result(TypedDict):\n    text: str\n"
    )
    (tmp_path / "base.py").write_text("from pydantic import BaseModel\nclass Base(BaseModel):\n    name: str\n")
    signature = _read(
        tmp_path,
        "from shapes import Result, Flag as F\nfrom base import Base\nclass Mine(Base):\n    n: int\n"
        "def f(flag: F, mine: Mine) -> Result: ...\n",
    )
    assert _shown(signature) == ("flag:boolean mine:json", "text:string")


def test_a_parameter_used_by_its_path_alone_is_a_file(tmp_path: Path) -> None:
    source = 'def f(text, other, kind: dict):\n    open(text["path"]); other["path"]; other["x"]; kind["path"]\n'
    assert _shown(_read(tmp_path, source))[0] == "text:file other:json kind:json"


GOOGLE = '''
def f(images, count=1, note=None):
    """Tell digits apart.

    It takes
    a while.

    Args:
        images (list[list[float]]): Grey values,
            64 an image.
        count: How many to keep.
        note (str, optional): Free text: anything.

    Returns:
        digits (list): One for each image.

    Raises:
        ValueError: for nothing
    """
    return {"digits": images}
'''
NUMPY = '''
def f(images, count=1, note=None):
    """Tell digits apart.

    It takes a while.

    Parameters
    ----------
    images : list of list of float
        Grey values,
        64 an image.
    count : int, default 1
        How many to keep.
    note : str, optional
        Free text: anything.

    Returns
    -------
    digits : list
        One for each image.
    """
    return {"digits": images}
'''
SPHINX = '''
def f(images, count=1, note=None):
    """Tell digits apart.

    It takes a while.

    :param list images: Grey values,
        64 an image.
    :param count: How many to keep.
    :param note: Free text: anything.
    :type note: str
    :raises ValueError: for nothing
    """
    return {"digits": images}
'''


@pytest.mark.parametrize("source", [GOOGLE, NUMPY, SPHINX], ids=["Google", "NumPy", "Sphinx"])
def test_the_docstring_describes_and_names_types_where_no_annotation_does(source: str, tmp_path: Path) -> None:
    signature = _read(tmp_path, source)
    assert signature.description == "Tell digits apart.\n\nIt takes a while."
    assert _shown(signature)[0] == "images:array count:number?=1 note:string?"
    said = {one.name: one.description for one in signature.inputs}
    assert said == {
        "images": "Grey values, 64 an image.",
        "count": "How many to keep.",
        "note": "Free text: anything.",
    }
    if source is not SPHINX:
        assert signature.outputs[0].description == "One for each image."


def test_a_plain_docstring_is_the_description(tmp_path: Path) -> None:
    signature = _read(tmp_path, 'def f():\n    """Say: hello.\n\n    Note that it is loud.\n    """\n')
    assert signature.description == "Say: hello.\n\nNote that it is loud."


# Files, what is asked for, the function that is found.
FOUND = [
    ({"main.py": "def anything(): pass"}, None, "main.py:anything"),
    ({"main.py": "def main(): pass\ndef other(): pass"}, None, "main.py:main"),
    ({"main.py": "def _helper(): pass\ndef work(): pass"}, None, "main.py:work"),
    ({"app.py": "def a(): pass\ndef predict(): pass"}, None, "app.py:predict"),
    ({"predict.py": "def predict(): pass", "train.py": "def train(): pass"}, None, "predict.py:predict"),
    ({"main.py": "X = 1", "score.py": "async def score(): pass"}, None, "score.py:score"),
    ({"the_folder.py": "def f(): pass", "other.py": "def g(): pass"}, None, "the_folder.py:f"),
    ({"a.py": "def f(): pass", "b.py": "def g(): pass"}, "b.py", "b.py:g"),
    ({"a.py": "def f(): pass", "b.py": "def g(): pass"}, "g", "b.py:g"),
    ({"src/deep.py": "def f(): pass\ndef g(): pass"}, "src/deep.py:g", "src/deep.py:g"),
    ({"main.py": "def main(): pass\ndef _private(): pass"}, "main.py:_private", "main.py:_private"),
]
NOT_FOUND = [
    ({}, None, "no Python file at its top has a public function"),
    ({"main.py": "x = 1"}, None, "no Python file at its top has a public function"),
    ({"a.py": "def f(): pass", "b.py": "def g(): pass"}, None, "several files have a public function: a.py, b.py"),
    ({"main.py": "def f(): pass\ndef g(): pass"}, None, "cannot tell which function to deploy: f, g"),
    ({"main.py": "def f(): pass"}, "nope.py:f", 'there is no "nope.py"'),
    ({"main.py": "def f(): pass"}, "main.py:g", 'main.py has no function "g"'),
    ({"main.py": "def f(): pass"}, "g", 'no Python file at its top has a function "g"'),
    ({"main.py": "def f(): pass"}, "../main.py:f", "outside of the folder"),
    ({"main.py": "class f: pass"}, "main.py:f", 'main.py has no function "f"'),
    ({"main.py": "_f = 1"}, "main.py", "has no public function"),
]


def _folder(tmp_path: Path, files: dict[str, str]) -> Path:
    folder = tmp_path / "the_folder"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(("files", "wanted", "found"), FOUND)
def test_the_function_is_found(files: dict[str, str], wanted: str | None, found: str, tmp_path: Path) -> None:
    source, function = find_function(_folder(tmp_path, files), wanted)
    assert f"{source.path}:{function.name}" == found


@pytest.mark.parametrize(("files", "wanted", "said"), NOT_FOUND)
def test_the_function_is_not_found(files: dict[str, str], wanted: str | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as raised:
        find_function(_folder(tmp_path, files), wanted)
    assert said in raised.value.message
    assert "allowed: " in raised.value.message
