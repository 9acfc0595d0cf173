"""The page says what is tried, and no more."""

from __future__ import annotations

from pathlib import Path

from tests.isolation.page import escapes_table
from tests.isolation.red_team import ESCAPES

PAGE = Path(__file__).parents[2] / "docs/explanation/isolation.md"


def test_every_escape_is_listed_with_what_it_takes_to_make_it_fail() -> None:
    assert escapes_table() in PAGE.read_text()


def test_no_two_escapes_have_the_same_name() -> None:
    assert len({each.tries for each in ESCAPES}) == len(ESCAPES) >= 25
