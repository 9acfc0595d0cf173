"""Periodic deployments as answers show them."""

from __future__ import annotations

from datetime import datetime, timezone

from pipeyard.api.shapes import deployment_shape
from tests.periodic import periodic


def test_a_tick_that_waits_for_the_end_of_an_execution_is_shown() -> None:
    at = datetime(2027, 1, 1, 10, tzinfo=timezone.utc)
    shape = deployment_shape(periodic(held_tick_at=at), (), with_token=True)
    assert shape["held_tick_at"] == "2027-01-01T10:00:00.000Z"
    assert deployment_shape(periodic(), (), with_token=True)["held_tick_at"] is None
