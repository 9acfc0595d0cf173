"""Code that packages run while they are built sees nothing of the platform."""

from __future__ import annotations

import json

import pytest
from craft_ai_sdk.exceptions import SdkException

from tests.platforms import Platform

PROJECT = """
[build-system]
requires = []
build-backend = "spy"
backend-path = ["."]
[project]
name = "spied"
version = "1"
"""

SPY = """
import json, os, sys

def seen(path):
    try:
        return sorted(os.listdir(path)) if os.path.isdir(path) else open(path).read()[:10]
    except OSError as error:
        return error.strerror

def build_wheel(*_):
    paths = json.loads(open(os.path.join(os.path.dirname(__file__), "paths.json")).read())
    found = {path: seen(path) for path in paths}
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    raise SystemExit("SEEN " + json.dumps([os.getuid(), len(processes), found]))
"""


def test_a_package_that_is_built_sees_neither_the_platform_nor_the_machines_processes(platform: Platform) -> None:
    data_dir = platform.data_dir
    hidden = [data_dir / "keys", data_dir / "pipeyard.db", data_dir / "code", data_dir / "credentials.env"]
    files = {
        "requirements.txt": "./package",
        "package/pyproject.toml": PROJECT,
        "package/spy.py": SPY,
        "package/paths.json": json.dumps([str(path) for path in hidden]),
    }
    before = {item["pipeline_name"] for item in platform.sdk.list_pipelines()}
    with pytest.raises(SdkException, match="CreationFailed"):
        platform.create_pipeline("def main(): pass", files=files, requirements_path="requirements.txt")
    (name,) = {item["pipeline_name"] for item in platform.sdk.list_pipelines()} - before
    lines = [line["message"] for line in platform.sdk.get_pipeline_logs(name)]
    (said,) = {line.partition("SEEN ")[2] for line in lines if "SEEN [" in line}
    uid, processes, found = json.loads(said)
    assert uid == 1000  # inside; outside nobody, or the user of the server
    assert processes < 10
    assert set(found.values()) == {"No such file or directory"}
