"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.shells import Shell
from tests.platforms import Platform


@pytest.fixture
def shell(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(platform, tmp_path, monkeypatch)


@pytest.fixture
def fresh(shell: Shell) -> Iterator[Shell]:
    """A shell whose pipelines and deployments go with the test."""
    before = {row["pipeline_name"] for row in shell.platform.sdk.list_pipelines()}
    yield shell
    for row in shell.platform.sdk.list_pipelines():
        if row["pipeline_name"] not in before:
            shell.platform.sdk.delete_pipeline(row["pipeline_name"], force_deployments_deletion=True)


@pytest.fixture
def needs(platform: Platform) -> Callable[[str], None]:
    """Skips a test of a route that this platform does not have."""

    def check(route: str) -> None:
        with platform.http() as http:
            paths = http.get("/api/openapi.json").json()["paths"]
        if f"/api/v1{route}" not in paths:
            pytest.skip(f"the platform has no {route}")

    return check
