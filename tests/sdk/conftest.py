"""Every test runs with both clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeyard import clock
from tests.platforms import Platform
from tests.sdk.clients import KINDS, FakeServer, FakeTime, make_client, real_client


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(clock, "monotonic_s", lambda: fake.now_s)
    return fake


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def sdk(kind: str, server: FakeServer, time: FakeTime) -> Iterator[Any]:
    """A client of the fake server."""
    client = make_client(kind, server, time)
    yield client
    client.close()


@pytest.fixture
def live(kind: str, platform: Platform) -> Iterator[Any]:
    """A client of a real server."""
    client = real_client(kind, platform.credentials)
    yield client
    client.close()
