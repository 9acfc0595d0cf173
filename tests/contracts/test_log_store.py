"""What every log store does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipeyard.domain.log_lines import LogBatch, LogLine, LogRange, Subject
from pipeyard.errors import StoreError
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.ports import LogStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
ALL = LogRange()
LOG_STORES: dict[str, Callable[[Path], LogStore]] = {
    "sqlite": lambda folder: SqliteLogStore.open(folder / "logs.sqlite"),
}


@pytest.fixture(params=LOG_STORES)
async def logs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogStore]:
    opened = LOG_STORES[request.param](tmp_path)
    yield opened
    await opened.close()


def line(message: str, seconds: float = 0) -> LogLine:
    return LogLine(NOON + timedelta(seconds=seconds), message)


def batch(*lines: LogLine, of: str = "x", event: tuple[str, int] | None = None) -> LogBatch:
    return LogBatch(Subject.EXECUTION, of, lines, event)


async def messages(logs: LogStore, of: str = "x", span: LogRange = ALL) -> list[str]:
    return [found.message for found in await logs.read(Subject.EXECUTION, of, span)]


async def test_lines_come_back_as_they_were_stored(logs: LogStore) -> None:
    lines = (LogLine(NOON, "out", "stdout", "pod-1"), LogLine(NOON, "err", "stderr", None))
    await logs.append(LogBatch(Subject.PIPELINE, "p", lines))
    assert tuple(await logs.read(Subject.PIPELINE, "p", ALL)) == lines


async def test_lines_are_refused_as_long_as_those_before_are_missing(logs: LogStore) -> None:
    late = LogBatch(Subject.EXECUTION, "x", (line("late"),), ("pod", 2), after=1)
    with pytest.raises(StoreError, match="before"):
        await logs.append(late)
    await logs.append(batch(line("early"), event=("pod", 1)))
    await logs.append(late)
    assert await messages(logs) == ["early", "late"]


async def test_lines_are_read_on_in_the_order_of_arrival(logs: LogStore) -> None:
    await logs.append(batch(line("late", 9), line("early")))
    await logs.append(batch(line("of another"), of="y"))
    await logs.append(batch(line("last", 5)))
    first, second = await logs.read_after(Subject.EXECUTION, "x", 0, 2)
    assert (first[1].message, second[1].message) == ("late", "early")
    rest = await logs.read_after(Subject.EXECUTION, "x", second[0], 100)
    assert [found.message for _, found in rest] == ["last"]
    assert await logs.read_after(Subject.EXECUTION, "x", rest[0][0], 100) == []


async def test_subjects_are_apart(logs: LogStore) -> None:
    for subject in Subject:
        await logs.append(LogBatch(subject, "same-id", (line(subject.value),)))
    for subject in Subject:
        assert [found.message for found in await logs.read(subject, "same-id", ALL)] == [subject.value]


async def test_lines_of_one_instant_keep_the_order_of_the_calls(logs: LogStore) -> None:
    writes = [logs.append(batch(line(f"{n}a"), line(f"{n}b"))) for n in range(100)]
    await asyncio.gather(*writes)
    assert await messages(logs) == [f"{n}{half}" for n in range(100) for half in "ab"]


async def test_lines_are_read_ascending_by_time(logs: LogStore) -> None:
    await logs.append(batch(line("late", 2), line("early", 1)))
    assert await messages(logs) == ["early", "late"]


async def test_the_last_lines_are_ascending_and_those_of_one_pod_if_it_is_named(logs: LogStore) -> None:
    for number in range(6):
        said = LogLine(NOON + timedelta(seconds=number), str(number), pod_id=f"pod-{number % 2}")
        await logs.append(batch(said, line(f"of the platform, {number}", number)))
    await logs.append(batch(line("of another", 99), of="y"))
    last = await logs.read_last(Subject.EXECUTION, "x", 3)
    assert [found.message for found in last] == ["of the platform, 4", "5", "of the platform, 5"]
    assert [found.message for found in await logs.read_last(Subject.EXECUTION, "x", 2, "pod-0")] == ["2", "4"]
    assert await logs.read_last(Subject.EXECUTION, "nothing", 3) == []


async def test_a_range_includes_its_start_and_not_its_end(logs: LogStore) -> None:
    await logs.append(batch(*(line(str(n), n) for n in range(5))))
    at = [NOON + timedelta(seconds=n) for n in range(5)]
    assert await messages(logs, span=LogRange(at[1], at[3])) == ["1", "2"]
    assert await messages(logs, span=LogRange(from_at=at[3])) == ["3", "4"]
    assert await messages(logs, span=LogRange(to_at=at[2])) == ["0", "1"]
    assert await messages(logs, span=LogRange(limit=2)) == ["0", "1"]
    assert await messages(logs, span=LogRange(at[1], None, 1)) == ["1"]
    assert await messages(logs, span=LogRange(limit=0)) == []


async def test_a_batch_that_is_sent_twice_is_stored_once(logs: LogStore) -> None:
    await logs.append(batch(line("one"), event=("pod-1", 7)))
    await logs.append(batch(line("one"), event=("pod-1", 7)))
    await logs.append(batch(line("two"), event=("pod-1", 6)))
    await logs.append(batch(line("three"), event=("pod-2", 7)))
    assert await messages(logs) == ["one", "two", "three"]


async def test_a_batch_sent_twice_at_once_is_stored_once(logs: LogStore) -> None:
    await asyncio.gather(*(logs.append(batch(line("one"), event=("pod-1", 7))) for _ in range(10)))
    assert await messages(logs) == ["one"]


async def test_batches_without_an_event_are_never_taken_for_each_other(logs: LogStore) -> None:
    await logs.append(batch(line("same")))
    await logs.append(batch(line("same")))
    await logs.append(batch())
    assert await messages(logs) == ["same", "same"]


@pytest.mark.parametrize("message", ["", "nul \x00 inside", "é 漢字 🙂", "\r\x1b[31m", "x" * 5_000_000], ids=range(5))
async def test_any_text_comes_back_whole(logs: LogStore, message: str) -> None:
    await logs.append(batch(line(message)))
    assert await messages(logs) == [message]


async def test_what_is_no_unicode_is_replaced(logs: LogStore) -> None:
    await logs.append(batch(line("a\ud800b\udcffc"), line("next")))
    assert await messages(logs) == ["a?b?c", "next"]


async def test_deleted_subjects_leave_nothing(logs: LogStore) -> None:
    for of in ("x", "y", "z"):
        await logs.append(batch(line(of), of=of, event=("pod", ord(of))))
    await logs.append(LogBatch(Subject.DEPLOYMENT, "x", (line("kept"),)))
    await logs.delete(Subject.EXECUTION, iter(["x", "z", "nothing"]))
    await logs.delete(Subject.EXECUTION, [])
    assert [await messages(logs, of) for of in ("x", "y", "z")] == [[], ["y"], []]
    assert len(await logs.read(Subject.DEPLOYMENT, "x", ALL)) == 1


async def test_a_closed_log_store_refuses_lines_and_closes_again(logs: LogStore) -> None:
    await logs.close()
    with pytest.raises(StoreError, match="closed"):
        await logs.append(batch(line("late")))
    await logs.close()


@pytest.mark.parametrize("make", LOG_STORES.values(), ids=LOG_STORES)
async def test_lines_and_events_are_there_after_a_restart(make: Callable[[Path], LogStore], tmp_path: Path) -> None:
    first = make(tmp_path)
    queued = first.append(batch(line("one"), event=("pod-1", 7)))
    await first.close()  # what is queued is committed
    assert queued.done()
    second = make(tmp_path)
    await second.append(batch(line("one"), event=("pod-1", 7)))
    assert await messages(second) == ["one"]
    await second.close()


async def test_the_first_lines_are_deleted_unless_they_are_kept(logs: LogStore) -> None:
    await logs.append(batch(line("old"), line("kept", 1), line("old too", 2)))
    await logs.append(batch(line("new", 3)))
    looked_at: list[str] = []

    def is_kept(subject: Subject, subject_id: str, at: datetime) -> bool:
        looked_at.append(f"{subject.value} {subject_id}")
        return at == NOON + timedelta(seconds=1)

    trimmed = await logs.trim(0, 3, is_kept)
    assert trimmed is not None
    assert trimmed[1] == NOON + timedelta(seconds=2)
    assert looked_at == ["execution x"] * 3
    assert await messages(logs) == ["kept", "new"]
    assert await logs.trim(trimmed[0], 3, is_kept) is not None
    assert await messages(logs) == ["kept"]
    assert await logs.trim(trimmed[0], 3, is_kept) is None


async def test_the_events_of_a_pod_are_forgotten_with_its_last_line(logs: LogStore) -> None:
    def printed(number: int) -> LogBatch:
        return batch(LogLine(NOON + timedelta(seconds=number), f"{number}", "stdout", "pod"), event=("pod", number))

    for number in (1, 2):
        await logs.append(printed(number))
    await logs.trim(0, 1, lambda *_: False)
    await logs.append(printed(1))  # a pod that has lines is still known
    assert await messages(logs) == ["2"]
    await logs.trim(0, 10, lambda *_: False)
    await logs.append(printed(1))
    assert await messages(logs) == ["1"]


async def test_what_was_trimmed_is_not_used_any_more(logs: LogStore) -> None:
    await logs.append(batch(*[line("x" * 1000)] * 1000))
    used_bytes = await logs.used_bytes()
    assert used_bytes > 1_000_000
    await logs.trim(0, 1000, lambda *_: False)
    assert await logs.used_bytes() < used_bytes - 900_000
    await logs.check()


async def test_each_attempt_of_an_execution_has_lines_of_its_own(logs: LogStore) -> None:
    for attempt in (1, 2):
        await logs.append(replace(batch(line(f"in attempt {attempt}")), attempt=attempt))
    assert await messages(logs, span=LogRange(attempt=1)) == ["in attempt 1"]
    assert await messages(logs, span=LogRange(attempt=2)) == ["in attempt 2"]
    assert await messages(logs) == ["in attempt 1", "in attempt 2"]
