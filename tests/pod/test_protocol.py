"""Frames on the wire."""

import ast
import sys
from pathlib import Path

import pytest

import pipeyard.pod
from pipeyard.pod import protocol


def test_frames_survive_any_cut():
    data = protocol.encode({"type": "a", "é": 1}, b"body") + protocol.encode({"type": "b"})
    for size in (1, 3, 7, len(data)):
        decoder = protocol.Decoder()
        frames = [f for i in range(0, len(data), size) for f in decoder.feed(data[i : i + size])]
        assert [(f.type, f.header, f.body) for f in frames] == [
            ("a", {"type": "a", "é": 1}, b"body"),
            ("b", {"type": "b"}, b""),
        ]


@pytest.mark.parametrize(
    "data",
    [b"\xff" * 8, b"\0\0\0\2\0\0\0\0{]", b"\0\0\0\2\0\0\0\0[]", b"GET / HTTP/1.1\r\n\r\n"],
    ids=["too long", "no JSON", "no object", "another protocol"],
)
def test_what_cannot_be_a_frame_is_refused(data):
    with pytest.raises(protocol.ProtocolError):
        protocol.Decoder().feed(data)


def test_the_program_in_the_pod_imports_the_standard_library_alone():
    for path in Path(pipeyard.pod.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            foreign = [n for n in names if n.partition(".")[0] not in sys.stdlib_module_names]
            assert not foreign, f"{path.name} imports {foreign}"
