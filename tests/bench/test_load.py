"""The arithmetic of the load generator, and what it takes for an answer."""

from __future__ import annotations

import pytest
from bench.figures import Samples, percentile, ratio
from bench.load import Plan, check_answer, split_answer
from bench.rows import Budget, Row
from bench.tally import Tally

PLAN = Plan("http://localhost:1/endpoints/e", 1, 0.0, 1.0)


@pytest.mark.parametrize(
    ("count", "share", "rank"), [(1, 0.5, 1), (100, 0.5, 50), (100, 0.99, 99), (100, 0.07, 7), (3, 0.5, 2), (10, 1, 10)]
)
def test_a_percentile_is_the_nearest_rank(count: int, share: float, rank: int) -> None:
    assert percentile(list(range(1, count + 1)), share) == rank


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_the_median_and_the_ratio_are_taken_round_by_round() -> None:
    compared = ratio(Samples((2.0, 9.0, 4.0)), Samples((1.0, 3.0, 4.0)))
    assert (compared.values, compared.median, compared.low, compared.high) == ((2.0, 3.0, 1.0), 2.0, 1.0, 3.0)


def test_the_rate_counts_what_arrived_in_the_measured_time_and_latencies_what_was_sent_in_it() -> None:
    tally = Tally(10.0, 12.0)
    tally.note(9.0, 9.5, 0.0)  # warm-up
    tally.note(9.9, 10.4, 0.0)  # arrived in the measured time, sent before
    tally.note(10.4, 10.5, 0.0)
    tally.note(11.9, 12.2, 0.1)  # sent in the measured time, arrived after; 0.1 s were the function's own
    found = tally.round(0.0)
    assert (found.requests, found.requests_per_s) == (2, 1.0)
    assert (found.p50_ms, found.p99_ms) == (pytest.approx(100.0), pytest.approx(200.0))


def test_nothing_answered_is_no_figure() -> None:
    tally = Tally(0.0, 1.0)
    tally.fail("refused")
    with pytest.raises(ValueError, match="refused"):
        tally.round(0.0)


def test_an_answer_is_read_when_it_is_whole() -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"y":1}'
    assert split_answer(answer) == (200, b'{"y":1}')
    assert all(split_answer(answer[:size]) is None for size in range(len(answer)))
    with pytest.raises(ValueError, match="more bytes"):
        split_answer(answer + b"x")
    with pytest.raises(ValueError, match="without a length"):
        split_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(("status", "body"), [(500, b'{"y":1}'), (200, b'{"y":2}'), (200, b"{}"), (200, b"?")])
def test_a_wrong_status_or_body_is_refused(status: int, body: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        check_answer(PLAN, status, body, 1)


def test_the_functions_own_time_is_taken_from_where_the_outputs_are() -> None:
    plan = Plan(PLAN.url, 1, 0.0, 1.0, {}, "outputs", "own_time_s")
    assert check_answer(plan, 200, b'{"outputs": {"y": 1, "own_time_s": 0.25}}', 1) == 0.25


def test_a_verdict_says_by_what_factor_a_budget_was_missed() -> None:
    ours, other = Samples((100.0,)), Samples((1000.0,))
    assert Row("rate", "/s", ours, other, Budget(3.0, at_least=True, of_ratio=True)).verdict == "missed by 30.00 x"
    assert Row("p50", "ms", ours, other, Budget(1.0, of_ratio=True)).verdict == "met"
    faster = Row("p50", "ms", ours, other, Budget(20.0, at_least=True, of_ratio=True), inverse=True)
    assert (faster.ratio, faster.verdict) == (Samples((10.0,)), "missed by 2.00 x")
    assert Row("p50", "ms", ours, budget=Budget(50.0)).verdict == "missed by 2.00 x"
