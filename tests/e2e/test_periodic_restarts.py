"""Ticks survive the server: none is lost, none runs twice, through kill -9 and SIGTERM."""

from __future__ import annotations

import signal
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from craft_ai_sdk import Input, InputSource

from tests.e2e.gates import Gate
from tests.platforms import Platform, eventually
from tests.ticks import MINUTE_S, fire, minute_start_s, set_due, ticks_of, to_wire

YEARLY, EVERY_MINUTE = "0 0 1 1 *", "* * * * *"
PRINTS = "def main(): print('ran')"
WAITS = """
import urllib.request

def main(gate):
    print("before")
    urllib.request.urlopen(gate, timeout=60).read()
    print("after")
"""


def _deploy(platform: Platform, pipeline: str, name: str, mode: str = "elastic", **options: object) -> str:
    platform.sdk.create_deployment(pipeline, name, "periodic", mode, **{"schedule": YEARLY, **options})
    return name


def _lines(platform: Platform, row: dict[str, str]) -> list[str]:
    return [line["message"] for line in platform.sdk.get_pipeline_execution_logs(row["execution_id"])]


def _await_count(platform: Platform, pipeline: str, count: int) -> None:
    eventually(lambda: len(platform.sdk.list_pipeline_executions(pipeline)) >= count)


def _all_ended(platform: Platform, pipeline: str, count: int) -> list[dict[str, str]]:
    def check() -> list[dict[str, str]] | None:
        rows = platform.sdk.list_pipeline_executions(pipeline)
        return rows if len(rows) >= count and {row["status"] for row in rows} <= {"Succeeded", "Skipped"} else None

    rows: list[dict[str, str]] = eventually(check, 60)
    return rows


def test_ticks_that_are_fired_while_the_server_is_killed_run_once_each(own_platform: Platform) -> None:
    platform = own_platform
    pipeline = platform.create_pipeline(PRINTS)
    names = [_deploy(platform, pipeline, f"d{n}", ("elastic", "low_latency")[n % 10 == 0]) for n in range(20)]
    wanted: Counter[tuple[str, str]] = Counter()
    for _ in range(3):
        # Some are due when the server dies, some soon after, while none is there.
        due = {name: int(time.time() * 1000 + number * 20) / 1000 for number, name in enumerate(names)}
        wanted.update((name, to_wire(at_s)) for name, at_s in due.items())
        fire(platform, due)
        _await_count(platform, pipeline, wanted.total() - len(names) + 3)
        platform.kill()
        platform.start()
        _await_count(platform, pipeline, wanted.total())
    rows = _all_ended(platform, pipeline, wanted.total())
    assert Counter((row["deployment_name"], row["due_at"]) for row in rows) == wanted
    assert {row["status"] for row in rows} == {"Succeeded"}
    assert [line for row in rows for line in _lines(platform, row)] == ["ran"] * len(rows)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_after_a_time_away_the_newest_tick_runs_and_the_others_are_skipped(
    own_platform: Platform, number: signal.Signals
) -> None:
    platform = own_platform
    pipeline = platform.create_pipeline(PRINTS)
    _deploy(platform, pipeline, "minutely", schedule=EVERY_MINUTE)
    _deploy(platform, pipeline, "stale")
    _deploy(platform, pipeline, "off", schedule=EVERY_MINUTE)
    platform.sdk.update_deployment("off", is_enabled=False)
    platform.signal(number)
    begin = minute_start_s() - 5 * MINUTE_S
    set_due(platform, {"minutely": begin, "stale": begin - 7200})
    platform.start()
    _all_ended(platform, pipeline, 7)
    rows = ticks_of(platform, pipeline, "minutely")
    ran = [row["status"] for row in rows].index("Succeeded")
    assert ran >= 5
    assert {row["status"] for row in rows[:ran]} == {"Skipped"}
    assert [row["due_at"] for row in rows[: ran + 1]] == [to_wire(begin + n * MINUTE_S) for n in range(ran + 1)]
    (stale,) = ticks_of(platform, pipeline, "stale")
    assert stale["status"] == "Skipped"
    failure = platform.sdk.get_pipeline_execution(stale["execution_id"])["failure"]
    assert "more than the 3600 s of schedule_catch_up_s" in failure["message"]
    assert ticks_of(platform, pipeline, "off") == []


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_a_tick_that_runs_while_the_server_is_killed_ends_and_the_next_one_runs(
    own_platform: Platform, gate: Gate, mode: str
) -> None:
    platform = own_platform
    pipeline = platform.create_pipeline(WAITS, [Input("gate", "string")])
    name = _deploy(platform, pipeline, "d", mode, inputs_mapping=[InputSource("gate", constant_value=gate.url)])
    fire(platform, {name: time.time()})
    assert gate.arrived.acquire(timeout=30)
    platform.kill()
    set_due(platform, {name: time.time()})
    gate.opened.set()
    platform.start()
    rows = _all_ended(platform, pipeline, 2)
    assert [_lines(platform, row) for row in rows] == [["before", "after"]] * 2


def test_a_tick_that_waits_runs_once_after_the_execution_that_a_killed_server_left(
    own_platform: Platform, gate: Gate
) -> None:
    platform = own_platform
    pipeline = platform.create_pipeline(WAITS, [Input("gate", "string")])
    name = _deploy(platform, pipeline, "d", inputs_mapping=[InputSource("gate", constant_value=gate.url)])
    with platform.http() as http:
        changed = http.patch(f"/api/v1/deployments/{name}", json={"schedule_overlap": "buffer_one"})
        assert changed.json()["schedule_overlap"] == "buffer_one"
    fire(platform, {name: time.time()})
    assert gate.arrived.acquire(timeout=30)
    waits = int(time.time() * 1000) / 1000
    fire(platform, {name: waits})
    eventually(lambda: platform.sdk.get_deployment(name)["next_fire_at"] > to_wire(waits))
    assert [row["status"] for row in ticks_of(platform, pipeline, name)] == ["Running"]
    platform.kill()
    gate.opened.set()
    platform.start()
    rows = _all_ended(platform, pipeline, 2)
    assert rows[0]["due_at"] == to_wire(waits)
    assert [_lines(platform, row) for row in rows] == [["before", "after"]] * 2


def test_a_full_queue_skips_a_tick_with_the_reason(tmp_path: Path, gate: Gate) -> None:
    platform = Platform(tmp_path, queue_max_executions=1, stop_grace_s=0.5).start()
    try:
        pipeline = platform.create_pipeline(WAITS, [Input("gate", "string")])
        name = _deploy(platform, pipeline, "d", inputs_mapping=[InputSource("gate", constant_value=gate.url)])
        fire(platform, {name: time.time()})
        assert gate.arrived.acquire(timeout=30)
        fire(platform, {name: time.time()})
        eventually(lambda: len(ticks_of(platform, pipeline, name)) == 2)
        _, refused = ticks_of(platform, pipeline, name)
        assert refused["status"] == "Skipped"
        failure = platform.sdk.get_pipeline_execution(refused["execution_id"])["failure"]
        assert (failure["kind"], "1 executions of this deployment are open" in failure["message"]) == ("refused", True)
        gate.opened.set()
    finally:
        platform.stop()
    assert platform.processes() == []


def test_a_tick_starts_when_it_is_due_and_not_before(own_platform: Platform) -> None:
    platform = own_platform
    pipeline = platform.create_pipeline(PRINTS)
    name = _deploy(platform, pipeline, "d", "low_latency")
    fire(platform, {name: time.time() + 1})
    (row,) = _all_ended(platform, pipeline, 1)
    (step,) = platform.sdk.get_pipeline_execution(row["execution_id"])["steps"]
    due_at, started_at = (datetime.fromisoformat(text) for text in (row["due_at"], step["start_date"]))
    assert due_at <= started_at
