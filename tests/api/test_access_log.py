"""The access log, where an operator wants one: a line for each answer, and no query."""

from __future__ import annotations

import logging

import httpx
import pytest

from pipeyard.settings import Settings
from tests.api.applications import bare_application

pytestmark = pytest.mark.anyio


async def lines_of(caplog: pytest.LogCaptureFixture, path: str, *, access_log: bool) -> list[str]:
    app = bare_application(Settings(access_log=access_log))
    caplog.set_level(logging.INFO)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        answer = await client.get(path)
    lines = [record.getMessage() for record in caplog.records if record.name == "pipeyard.access"]
    assert all(line.endswith(answer.headers["X-Request-Id"]) for line in lines)
    return [line.rpartition(" ")[0] for line in lines]


async def test_an_answer_is_a_line_without_the_query(caplog: pytest.LogCaptureFixture) -> None:
    lines = await lines_of(caplog, "/environments/default/nowhere?token=secret", access_log=True)
    assert lines == ['127.0.0.1 "GET /environments/default/nowhere" 404']


async def test_a_path_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    lines = await lines_of(caplog, "/a%0Ab%22%20200", access_log=True)
    assert lines == ['127.0.0.1 "GET /a%0Ab%22%20200" 404']


async def test_there_is_none_by_default(caplog: pytest.LogCaptureFixture) -> None:
    assert await lines_of(caplog, "/nowhere", access_log=False) == []
