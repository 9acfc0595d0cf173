"""What the compatibility suite shares: the public client, a gate per test, and pipelines that nobody changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from craft_ai_sdk import CraftAiSdk, Input, Output

from tests.compat.gates import DOORS, Gate, opened_gate
from tests.platforms import Platform

TYPES = ("string", "number", "boolean", "json", "array")

ECHO = "def main(**inputs): return inputs"

# Copies a file input to a file output; says what else it got.
FILES = """
import json, os

def main(f, s):
    with open(f["path"], "rb") as file:
        content = file.read()
    print("got", len(content), "bytes in", os.path.basename(f["path"]))
    with open("copy.bin", "wb") as file:
        file.write(content[::-1])
    return {"copy": {"path": "copy.bin"}, "size": len(content), "said": s}
"""

# Waits at the gate, under a name of the caller's choice.
WAITING = """
from doors import knock

def main(gate, name):
    knock(gate, name)
    return {"name": name}
"""
WAITING_INPUTS = (Input("gate", "string"), Input("name", "string"))
WAITING_OUTPUTS = (Output("name", "string"),)
# The same, and a file output: its own source.
COPYING = WAITING.replace('{"name": name}', '{"name": name, "of": {"path": "main.py"}}')
COPYING_OUTPUTS = (*WAITING_OUTPUTS, Output("of", "file"))


@pytest.fixture
def sdk(platform: Platform) -> CraftAiSdk:
    return platform.sdk


@pytest.fixture(autouse=True)
def tidy(platform: Platform) -> Iterator[None]:
    """Delete the deployments that a test made, so that their pods do not stay till the end; not those of a module."""
    before = {row["name"] for row in platform.sdk.list_deployments()}
    yield
    for row in platform.sdk.list_deployments():
        if row["name"] not in before:
            platform.sdk.delete_deployment(row["name"])


@pytest.fixture
def gate() -> Iterator[Gate]:
    with opened_gate() as gate:
        yield gate


@pytest.fixture(scope="session")
def echo(platform: Platform) -> str:
    """A pipeline that returns its inputs, one of each type, none required."""
    return platform.create_pipeline(ECHO, [Input(name, name) for name in TYPES], [Output(name, name) for name in TYPES])


@pytest.fixture(scope="session")
def files(platform: Platform) -> str:
    """A pipeline with a file input and a file output."""
    return platform.create_pipeline(
        FILES,
        [Input("f", "file", is_required=True), Input("s", "string")],
        [Output("copy", "file"), Output("size", "number"), Output("said", "string")],
    )


@pytest.fixture(scope="session")
def failing(platform: Platform) -> str:
    """A pipeline whose function raises after it has printed; it declares a file output that never comes."""
    return platform.create_pipeline(
        """
        def main():
            print("before the end")
            raise ValueError("the sea is too salty")
        """,
        outputs=[Output("of", "file"), Output("o", "json")],
    )


@pytest.fixture(scope="session")
def waiting(platform: Platform) -> str:
    """A pipeline that waits at a gate."""
    return platform.create_pipeline(WAITING, WAITING_INPUTS, WAITING_OUTPUTS, files={"doors.py": DOORS})


@pytest.fixture(scope="session")
def copying(platform: Platform) -> str:
    """A pipeline that waits at a gate and returns its own source as a file."""
    return platform.create_pipeline(COPYING, WAITING_INPUTS, COPYING_OUTPUTS, files={"doors.py": DOORS})


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A server that holds an answer for one second at most."""
    running = Platform(tmp_path_factory.mktemp("impatient"), wait_hold_s=1).start()
    yield running
    running.stop()
    assert running.processes() == []
