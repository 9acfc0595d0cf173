"""What a page shows is all there is: the documentation has a platform of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platforms import Platform


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One server for all pages."""
    running = Platform(tmp_path_factory.mktemp("documentation")).start()
    yield running
    running.stop()
    assert running.processes() == [], "processes were left over"
