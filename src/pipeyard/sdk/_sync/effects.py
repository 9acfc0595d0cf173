"""What the two clients do in different ways. `_async/effects.py` is its counterpart, written by hand as well."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import httpx

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Pause = Callable[[float], None]
Lock = threading.Lock


def close_with(owner: object, client: httpx.Client) -> None:
    """Close the connections when nobody holds the owner any more, or when the program ends."""
    weakref.finalize(owner, client.close)


def sleep(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def run_blocking(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what waits for a disk."""
    return function(*args, **kwargs)


def run_few(function: Callable[[T], None], items: Iterable[T], limit: int) -> None:
    """Call it for every item, so many at once. The first error ends the others and is raised."""
    with ThreadPoolExecutor(limit) as pool:
        running = [pool.submit(function, item) for item in items]
        try:
            for future in running:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
