"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
