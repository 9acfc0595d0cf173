"""What to do while the database or the data store is away: try again, each time a little later."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pipeyard import clock
from pipeyard.errors import PipeyardError, StoreError, SyncError, UnavailableError

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 5.0
PATIENCE_S = 600.0  # longer than a restart of a database or an object store; whoever waits for a result has left

# What no other try changes: our own mistakes, and names that no file can have.
_MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)
_WRONG_NAMES = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL})

T = TypeVar("T")


def is_passing(error: BaseException) -> bool:
    """Whether it may succeed next time. Errors of ours are answers, except those that say that something is away."""
    if isinstance(error, PipeyardError):
        return isinstance(error, StoreError | UnavailableError) and not isinstance(error, SyncError)
    if isinstance(error, OSError):
        return error.errno not in _WRONG_NAMES
    return isinstance(error, Exception) and not isinstance(error, _MISTAKES)


class Patience:
    """With one execution: how long to wait for the next try, until it has been tried long enough."""

    def __init__(self) -> None:
        self._since_s = clock.monotonic_s()
        self._next_s = FIRST_DELAY_S

    def delay_s(self) -> float:
        """Twice the last one, up to the longest."""
        delay_s, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_DELAY_S)
        return delay_s

    @property
    def is_over(self) -> bool:
        """It has been tried long enough."""
        return clock.monotonic_s() - self._since_s >= PATIENCE_S


async def until_done(attempt: Callable[[], Awaitable[T]], what: str) -> T:
    """The result of what must be done, and can be done again, however long it takes. Raises errors that are answers."""
    patience = Patience()
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not is_passing(error):
                raise
            delay_s = patience.delay_s()
            logger.warning("%s: tried again in %g s", what, delay_s, exc_info=error)
        await asyncio.sleep(delay_s)
