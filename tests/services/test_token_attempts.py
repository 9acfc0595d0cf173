"""Wrong tokens are counted by address; what was right before stays right."""

from __future__ import annotations

import sys

import pytest

from pipeyard.errors import TooManyAttemptsError
from pipeyard.services import token_attempts
from pipeyard.services.token_attempts import WINDOW_S, TokenAttempts

HERE, THERE = "203.0.113.7", "198.51.100.4"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> TokenAttempts:
    return TokenAttempts(3, clock)


def fail(attempts: TokenAttempts, address: str, times: int) -> None:
    for _ in range(times):
        attempts.check(address, "wrong")
        attempts.failed(address)


def test_at_the_limit_no_token_is_looked_at_until_the_minute_is_over(attempts: TokenAttempts, clock: Clock) -> None:
    fail(attempts, HERE, 3)
    clock.now_s += 10
    with pytest.raises(TooManyAttemptsError, match="3 wrong tokens") as refused:
        attempts.check(HERE, "maybe right")
    assert refused.value.retry_after_s == 51
    clock.now_s += refused.value.retry_after_s
    fail(attempts, HERE, 3)


def test_other_addresses_are_not_concerned(attempts: TokenAttempts) -> None:
    fail(attempts, HERE, 3)
    attempts.check(THERE, "any")


def test_a_token_that_was_right_from_there_before_is_still_let_in(attempts: TokenAttempts) -> None:
    attempts.succeeded(HERE, "right")
    fail(attempts, HERE, 3)
    attempts.check(HERE, "right")
    with pytest.raises(TooManyAttemptsError):
        attempts.check(HERE, "another")


def test_a_token_that_was_right_from_elsewhere_is_not(attempts: TokenAttempts) -> None:
    # Or an address at its limit could go on searching among the tokens that others use.
    attempts.succeeded(THERE, "right")
    fail(attempts, HERE, 3)
    with pytest.raises(TooManyAttemptsError):
        attempts.check(HERE, "right")


def test_failures_of_an_earlier_minute_do_not_count(attempts: TokenAttempts, clock: Clock) -> None:
    fail(attempts, HERE, 2)
    clock.now_s += WINDOW_S
    fail(attempts, HERE, 2)
    attempts.check(HERE, "any")


def test_one_customer_has_many_addresses_of_ipv6(attempts: TokenAttempts) -> None:
    for last in range(3):
        fail(attempts, f"2001:db8:0:1::{last}", 1)
    with pytest.raises(TooManyAttemptsError):
        attempts.check("2001:db8:0:1:ffff::1", "any")
    attempts.check("2001:db8:0:2::1", "any")


def test_zero_is_no_limit() -> None:
    attempts = TokenAttempts(0)
    fail(attempts, HERE, 1000)


def test_what_is_remembered_is_bounded(attempts: TokenAttempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_attempts, "ADDRESSES_MAX", 100)
    monkeypatch.setattr(token_attempts, "KNOWN_MAX", 100)
    for number in range(1000):
        attempts.failed(f"10.0.{number // 250}.{number % 250}")
        attempts.succeeded(HERE, f"token-{number}")
    assert len(attempts._failures) == len(attempts._known) == 100
    assert all(isinstance(known, int) for known in attempts._known), "tokens themselves are kept"
    assert sys.getsizeof(attempts._known) < 20_000
