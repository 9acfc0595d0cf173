"""Queues are bounded, and every place is given back once."""

import pytest

from pipeyard.engine.places import Places
from pipeyard.errors import QueueFullError


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    places = Places(2, 10)
    for execution_id in ("a", "b"):
        places.take("d")
        places.occupy(execution_id, "d")
    with pytest.raises(QueueFullError) as refused:
        places.check("d")
    assert refused.value.retry_after_s >= 1
    assert refused.value.additional_data["position"] == 3
    places.check("another")
    places.check(None)


def test_a_place_is_given_back_once() -> None:
    places = Places(1, 10)
    places.take("d")
    places.occupy("a", "d")
    places.leave("a")
    places.leave("a")
    places.check("d")
    places.take("d")
    with pytest.raises(QueueFullError):
        places.check("d")


def test_adopted_executions_count_beyond_the_limit() -> None:
    places = Places(1, 10)
    places.adopt("a", "d")
    places.adopt("b", "d")
    places.leave("a")
    with pytest.raises(QueueFullError):
        places.check("d")
    places.forget("d")
    places.check("d")


def test_the_queues_of_all_deployments_together_are_bounded_too() -> None:
    places = Places(10, 3)
    for deployment_id in ("a", "b", None):
        places.take(deployment_id)
    with pytest.raises(QueueFullError, match="3 executions are open on this platform") as refused:
        places.check("c")
    assert refused.value.additional_data["position"] == 1
    places.give_back("a")
    places.check("c")
    assert places.taken_in_all == 2
