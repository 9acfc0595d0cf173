"""What the two clients do in different ways. `_sync/effects.py` is its counterpart, written by hand as well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import ParamSpec, TypeVar

import httpx

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Pause = Callable[[float], Awaitable[None]]
Lock = asyncio.Lock


def close_with(owner: object, client: httpx.AsyncClient) -> None:
    """Nothing: connections of an event loop are closed in it, by whoever awaits that."""


async def sleep(seconds: float) -> None:
    """Let time pass."""
    await asyncio.sleep(seconds)


async def run_blocking(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what waits for a disk."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def run_few(function: Callable[[T], Awaitable[None]], items: Iterable[T], limit: int) -> None:
    """Call it for every item, so many at once. The first error ends the others and is raised."""
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            await function(item)

    tasks = [asyncio.create_task(work()) for _ in range(limit)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
