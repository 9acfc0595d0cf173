"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.calls import Calls
from tests.e2e.gates import Gate
from tests.platforms import Platform


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    """A server that the test may stop and kill."""
    platform = Platform(tmp_path, stop_grace_s=0.5).start()
    yield platform
    platform.stop()
    assert platform.processes() == []


@pytest.fixture(scope="module")
def calls(platform: Platform) -> Iterator[Calls]:
    with platform.http() as http:
        made: list[str] = []
        yield Calls(platform, http, made)
        for name in made:
            platform.sdk.delete_pipeline(name, force_deployments_deletion=True)
