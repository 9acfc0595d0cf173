"""Waiting for a change: no notice is missed, no wait outlives the server."""

from __future__ import annotations

import asyncio

import pytest

from pipeyard.services.notices import Notices
from pipeyard.services.remembered import Remembered

LONG_S = 60.0


@pytest.mark.anyio
async def test_a_change_between_looking_and_waiting_is_not_missed() -> None:
    notices, answers = Notices(), [None, "done"]

    async def check() -> str | None:
        answer = answers.pop(0)
        notices.notify("x")  # as if it had happened just now
        return answer

    assert await notices.wait_until("x", check, LONG_S) == "done"


@pytest.mark.anyio
async def test_news_of_others_wake_nobody() -> None:
    notices, looks = Notices(), []

    async def check() -> None:
        looks.append(1)

    waiting = asyncio.ensure_future(notices.wait_until("x", check, LONG_S))
    await asyncio.sleep(0)
    notices.notify("y")
    await asyncio.sleep(0)
    assert looks == [1]
    notices.close()
    assert await waiting is None


@pytest.mark.anyio
async def test_a_hold_of_nothing_looks_once() -> None:
    async def check() -> None:
        return None

    assert await Notices().wait_until("x", check, 0) is None


@pytest.mark.anyio
async def test_what_was_read_while_it_changed_is_not_kept() -> None:
    stored = {"key": "old"}
    release = asyncio.Event()

    async def load(key: str) -> str:
        read = stored[key]
        await release.wait()
        return read

    remembered = Remembered(load)
    reading = asyncio.ensure_future(remembered.get("key"))
    await asyncio.sleep(0)
    stored["key"] = "new"
    remembered.clear()
    release.set()
    assert await reading == "old"
    assert await remembered.get("key") == "new"
