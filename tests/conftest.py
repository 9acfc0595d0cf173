"""Fixtures that many folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.git_hosts import GitHost
from tests.platforms import Platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One server for all tests that do not stop it; each test makes pipelines and deployments of its own."""
    running = Platform(tmp_path_factory.mktemp("platform"), elastic_max_pods=8).start()
    yield running
    running.stop()
    assert running.processes() == [], "processes were left over"


@pytest.fixture(scope="session")
def git_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    """One git server over SSH for all tests; each makes repositories of its own."""
    with GitHost(tmp_path_factory.mktemp("git-host")).running() as host:
        yield host


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio alone."""
    return "asyncio"
