"""Which imports of a pipeline's code a zygote does, read from the code."""

from __future__ import annotations

from pathlib import Path

from pipeyard.pod.imports import find


def _find(folder: Path, **files: str) -> list[tuple[str, list[str]]]:
    for name, source in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return find(str(folder), "main.py")


def test_modules_and_what_is_taken_from_them(tmp_path):
    source = "import a.b as c, d\nfrom e import f, g\nfrom e.h import *\nfrom __future__ import annotations\n"
    assert _find(tmp_path, main=source) == [("a.b", []), ("d", []), ("e", ["f", "g"]), ("e.h", ["*"])]


def test_imports_in_functions_and_in_try_count(tmp_path):
    source = "try:\n    import a\nexcept ImportError:\n    import b\ndef f():\n    import c\n"
    assert [name for name, _ in _find(tmp_path, main=source)] == ["a", "b", "c"]


def test_what_only_type_checkers_and_the_command_line_see_does_not(tmp_path):
    source = """
import typing
if typing.TYPE_CHECKING:
    import a
else:
    import b
if __name__ == "__main__":
    import c
"""
    assert [name for name, _ in _find(tmp_path, main=source)] == ["b", "typing"]


def test_the_codes_own_modules_are_followed_and_left_out(tmp_path):
    found = _find(
        tmp_path,
        **{
            "main": "import own, package.inner\nfrom package import other\n",
            "own": "import a\nimport main\n",
            "package/__init__": "from . import relative\nfrom .inner import x\n",
            "package/inner": "import b\n",
            "package/other": "import c\n",
            "package/relative": "import d\nfrom .. import nothing\n",
            "unused": "import e\n",
        },
    )
    assert [name for name, _ in found] == ["a", "b", "c", "d"]


def test_code_that_cannot_be_read_has_none(tmp_path):
    assert _find(tmp_path, main="import a\n)") == []
    assert find(str(tmp_path), "nowhere.py") == []


def test_hooks_are_read_too(tmp_path):
    assert _find(tmp_path, main="import a", pipeyard_zygote="import b") == [("a", []), ("b", [])]
