"""200 deployments that fire every minute, and a server that is killed with -9 three times: each tick runs exactly once.

The kills come while a minute's ticks are written, while they run, and just before a minute: then nobody is there.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.platforms import Platform, eventually
from tests.ticks import MINUTE_S, to_wire

DEPLOYMENTS = 200
WARM = 6  # of them in low latency, each with a pod that outlives the server
# When the server is killed, in seconds from the start of a minute, and for how long it is away.
KILLS = ((0.01, 0.0), (2.0, 3.0), (59.0, 4.0))
PRINTS = "def main(): print('ran')"


def main() -> int:
    """0 when every tick ran once."""
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder)).start()
        try:
            return _report(*_live_through(platform))
        finally:
            platform.stop()


def _live_through(platform: Platform) -> tuple[list[dict[str, Any]], list[str]]:
    """The executions, oldest first, and the ticks that each deployment must have."""
    pipeline = platform.create_pipeline(PRINTS)
    names = [f"d{number}" for number in range(DEPLOYMENTS)]
    for number, name in enumerate(names):
        mode = "low_latency" if number < WARM else "elastic"
        platform.sdk.create_deployment(pipeline, name, "periodic", mode, schedule="* * * * *")
    first_s = _next_minute_s()
    _sleep_until(first_s)
    for after_s, away_s in KILLS:
        minute_s = _next_minute_s()
        _sleep_until(minute_s + after_s)
        platform.kill()
        print(f"killed {after_s:g} s after {to_wire(minute_s)}", flush=True)
        time.sleep(away_s)
        platform.start()
    last_s = _next_minute_s()
    _sleep_until(last_s + 1)
    for name in names:  # one last look at all of them, and no more ticks
        platform.sdk.update_deployment(name, is_enabled=False)
    ticks = [to_wire(at_s) for at_s in _minutes(first_s, last_s)]
    rows = eventually(lambda: _ended(platform), 300)
    return [row for row in rows if row["due_at"] >= ticks[0]], ticks


def _ended(platform: Platform) -> list[dict[str, Any]]:
    """All executions, once none is open."""
    rows, before = [], {}
    with platform.http() as http:
        while page := http.get("/api/v1/executions", params={"limit": 1000, **before}).raise_for_status().json():
            rows += page
            before = {"before": page[-1]["execution_id"]}
    is_over = all(row["status"] not in ("Pending", "Running") for row in rows)
    return rows[::-1] if is_over else []


def _report(rows: list[dict[str, Any]], ticks: list[str]) -> int:
    wanted = {(f"d{number}", tick) for number in range(DEPLOYMENTS) for tick in ticks}
    found = Counter((row["deployment_name"], row["due_at"]) for row in rows)
    late_s = sorted(_seconds(row["end_date"]) - _seconds(row["due_at"]) for row in rows)
    missing = wanted - set(found)
    extra = [one for one in found if one[1] > ticks[-1] and one not in wanted]
    twice = {one: times for one, times in found.items() if times > 1}
    print(f"{DEPLOYMENTS} deployments, {len(ticks)} minutes from {ticks[0]} to {ticks[-1]}, {len(KILLS)} times kill -9")
    print(f"ticks that were due: {len(wanted)}; executions of them: {len(rows) - len(extra)}")
    print(f"missing: {len(missing)}; more than once: {len(twice)}")
    print(f"by status: {dict(Counter(row['status'] for row in rows))}")
    print(f"ended after they were due: {late_s[len(late_s) // 2]:.3f} s (median), {late_s[-1]:.3f} s (at most)")
    is_right = not missing and not twice and {row["status"] for row in rows} == {"Succeeded"}
    print("each tick ran exactly once" if is_right else f"WRONG: {sorted(missing)[:9]} {twice}")
    return int(not is_right)


def _next_minute_s() -> float:
    return (time.time() // MINUTE_S + 1) * MINUTE_S


def _minutes(first_s: float, last_s: float) -> Iterator[float]:
    while first_s <= last_s:
        yield first_s
        first_s += MINUTE_S


def _sleep_until(at_s: float) -> None:
    while (left_s := at_s - time.time()) > 0:
        time.sleep(left_s)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
