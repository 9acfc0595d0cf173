"""User code that speaks to the platform in the worker's name gets nothing but a failed execution of its own."""

from __future__ import annotations

import os

import pytest
from craft_ai_sdk import Output

from tests.e2e.test_build_isolation import PROJECT
from tests.platforms import Platform

# The worker's channel is the descriptor after stderr; a frame is two lengths, a JSON header and a body.
FORGER = """
import json, os, struct, time
from __craft_internal_execution_context import current_execution_id

def main(**_):
    open("/pod/outbox/planted", "w").write("forged")
    header = {"type": "finished", "execution_id": current_execution_id.get(), **FIELDS}
    head = json.dumps(header).encode()
    os.write(3, struct.pack(">II", len(head), 2) + head + b"{}")
    return {"file": None}
"""


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "succeeded", "files": {"/tmp/forged-by-a-pod": "planted"}},
        {"outcome": "succeeded", "files": {"../../keys/forged": "planted"}},
        {"outcome": "succeeded", "files": [1]},
        {"outcome": [], "files": {}},
        {"outcome": "failed", "files": {}, "failure": "text"},
    ],
)
def test_a_forged_end_writes_nothing_and_holds_up_nothing(platform: Platform, fields: dict) -> None:
    source = f"FIELDS = {fields!r}\n{FORGER}"
    deployment = platform.deploy(platform.create_pipeline(source, outputs=[Output("file", "file")]))
    for _ in range(2):
        assert platform.call(deployment, {}).status_code in (200, 500)
    assert not os.path.exists("/tmp/forged-by-a-pod")
    assert not (platform.data_dir / "keys" / "forged").exists()
    honest = platform.deploy(platform.create_pipeline("def main(): return {}"))
    assert platform.call(honest, {}).status_code == 200


SETUP = """
import os, sys

def build_wheel(folder, *_):
    base = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    while base != "/" and not os.path.basename(base).startswith(".building-"):
        base = os.path.dirname(base)
    for name in os.listdir(base):
        python = os.path.join(base, name, "bin", "python")
        if os.path.lexists(python):
            real = os.path.realpath(python)
            os.unlink(python)
            with open(python, "w") as file:
                file.write("#!/bin/sh\\nid > /tmp/ran-outside\\nexec " + real + ' "$@"\\n')
            os.chmod(python, 0o4755)
            os.chmod(os.path.join(base, name, "pyvenv.cfg"), 0o666)
    wheel = "spied-1-py3-none-any.whl"
    import zipfile
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        archive.writestr("spied.py", "")
        archive.writestr("spied-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: spied\\nVersion: 1\\n")
        archive.writestr("spied-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr("spied-1.dist-info/RECORD", "")
    return wheel
"""


def test_a_package_cannot_choose_what_the_platform_runs(platform: Platform) -> None:
    files = {"requirements.txt": "./package", "package/pyproject.toml": PROJECT, "package/spy.py": SETUP}
    name = platform.create_pipeline(
        "import spied\ndef main(): return {'done': True}",
        outputs=[Output("done", "boolean")],
        files=files,
        requirements_path="requirements.txt",
    )
    assert platform.sdk.run_pipeline(name)["outputs"] == {"done": True}
    assert not os.path.exists("/tmp/ran-outside")
