"""What a scenario says of itself: the methods that it proves, and for whom."""

from __future__ import annotations

import pytest


def proves(*methods: str, cell: str = "yes") -> pytest.MarkDecorator:
    """The scenario calls these methods and checks what a user gets of them; `cell` is what the table says then.

    It runs for every client that has all of them.
    """
    return pytest.mark.proves(*methods, cell=cell)


old_alone = pytest.mark.generation(True)
new_alone = pytest.mark.generation(False)
