"""What a scenario says of itself: the methods that it proves, for whom, and what the platform still lacks for it."""

from __future__ import annotations

import pytest


def proves(*methods: str, cell: str = "yes") -> pytest.MarkDecorator:
    """The scenario calls these methods and checks what a user gets of them; `cell` is what the table says then.

    It runs for every client that has all of them.
    """
    return pytest.mark.proves(*methods, cell=cell)


def needs(feature: str) -> pytest.MarkDecorator:
    """The scenario must fail as long as the feature is in NOT_YET."""
    return pytest.mark.needs(feature)


old_alone = pytest.mark.generation(True)
new_alone = pytest.mark.generation(False)
