"""Fixtures that many folders share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.git_hosts import GitHost
from tests.platforms import Platform

SCENARIOS = "tests/compat/scenarios/"


class _ByFile(LoadScopeScheduling):
    """A file stays in one process, for its fixtures; so do all scenarios, whose last file reads what others showed."""

    def _split_scope(self, nodeid: str) -> str:
        return SCENARIOS if nodeid.startswith(SCENARIOS) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """For `pytest -n`."""
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One server for all tests that do not stop it; each test makes pipelines and deployments of its own."""
    running = Platform(tmp_path_factory.mktemp("platform"), elastic_max_pods=8, pod_max_processes=256).start()
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
