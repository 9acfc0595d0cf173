"""What was read from the store and is kept until somebody changes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A cache in front of one read. Whoever changes what it reads must `clear` it, after the commit."""

    def __init__(self, load: Callable[[K], Awaitable[V]]) -> None:
        self._load = load
        self._known: dict[K, V] = {}
        self._changes = 0

    async def get(self, key: K) -> V:
        """The kept value, or what `load` gives; an error of `load` is not kept."""
        if key in self._known:
            return self._known[key]
        changes = self._changes
        value = await self._load(key)
        # A change committed while we read: what we read may be older, so it is used once and not kept.
        if changes == self._changes:
            self._known[key] = value
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._changes += 1
        self._known.clear()
