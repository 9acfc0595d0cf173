"""Retries: what may be asked for, and when there is another attempt."""

from __future__ import annotations

from typing import Any

import pytest

from pipeyard.domain.retries import (
    NO_RETRIES,
    RETRIABLE,
    Retries,
    read_retries,
    retries_from_json,
    retries_to_json,
)
from pipeyard.errors import InvalidInputError


def test_what_is_not_said_stays_as_it_was() -> None:
    before = Retries(1, 2, ("lost",))
    assert read_retries({}, before) == before
    assert read_retries({"retries": 0}, before) == Retries(0, 2, ("lost",))
    assert read_retries({"retry_on": ["lost", "raised"]}, before) == Retries(1, 2, ("raised", "lost"))
    assert read_retries({"retries": 3, "retry_delay_s": 60}, NO_RETRIES) == Retries(3, 60, RETRIABLE)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"retries": -1}, "retries: -1 is not usable"),
        ({"retries": True}, "retries: True is not usable"),
        ({"retries": 101}, "from 0 to 100"),
        ({"retry_delay_s": 1.5}, "retry_delay_s: 1.5 is not usable"),
        ({"retry_delay_s": 10**9}, "retry_delay_s: .* from 0 to 86400"),
        ({"retry_on": "lost"}, "retry_on: .* is not a list"),
        ({"retry_on": []}, "retry_on: .* is not a list"),
        ({"retry_on": ["lost", "cancelled"]}, "retry_on: .*cancelled.* is not a kind"),
        ({"retry_on": [["lost"]]}, "retry_on: .* is not a kind"),
    ],
)
def test_a_wrong_wish_names_its_field(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_retries(fields, NO_RETRIES)


def test_as_many_attempts_follow_as_are_asked_for_and_only_after_those_failures() -> None:
    retries = Retries(2, 0, ("lost",))
    assert [retries.allow(attempt, "lost") for attempt in (1, 2, 3)] == [True, True, False]
    assert not retries.allow(1, "raised")
    assert not NO_RETRIES.allow(1, "lost")
    assert "cancelled" not in RETRIABLE


def test_they_are_stored_as_they_are() -> None:
    for retries in (NO_RETRIES, Retries(2, 3, ("lost",))):
        assert retries_from_json(retries_to_json(retries)) == retries
