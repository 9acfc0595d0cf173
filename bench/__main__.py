"""`python -m bench [--quick]`: measures everything, prints a table, writes .bench/results.json."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench import machine, report
from bench.rounds import FULL, QUICK, Length
from bench.rows import Row
from bench.scenarios import elastic, fires, footprint, low_latency, serving
from bench.servers import FOLDER, Platform, pipeyard, scratch_folder

Measure = Callable[[], Iterator[Row]]
Scenario = Callable[[Platform, Length], Iterator[Row]]

# Each group has a platform of its own: what one left behind weighs on no other. The last shares an image.
GROUPS: tuple[dict[str, Scenario], ...] = (
    {"low latency": low_latency.measure},
    {"elastic": elastic.measure_trivial},
    {"elastic with imports": elastic.measure_imports, "code change to serving": serving.measure},
)


def main() -> int:
    """0 when everything was measured, met or missed; 1 when something was not; 130 when it was interrupted."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="about a minute instead of several")
    quick: bool = arguments.parse_args().quick
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: with the cleaning up
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        return _measure_everything("quick" if quick else "full", QUICK if quick else FULL)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130


def _measure_everything(form: str, length: Length) -> int:
    rows: list[Row] = []
    failures: dict[str, str] = {}
    with scratch_folder() as folder:
        described = machine.describe(folder)
        for number, group in enumerate(GROUPS):
            _measure_group(folder / f"platform-{number}", group, length, rows, failures)
    _measure("fires", partial(fires.measure_due, length), rows, failures)
    _measure("idle deployments", partial(fires.measure_idle, length), rows, failures)
    _measure("footprint", partial(footprint.measure, length), rows, failures)
    report.print_table(described, rows, failures)
    report.write_json(FOLDER / "results.json", form, described, rows, failures)
    return 1 if failures else 0


def _measure_group(
    folder: Path, group: dict[str, Scenario], length: Length, rows: list[Row], failures: dict[str, str]
) -> None:
    try:
        with pipeyard(folder) as platform:
            for name, scenario in group.items():
                _measure(name, partial(scenario, platform, length), rows, failures)
    except Exception as error:
        failures[" and ".join(group)] = f"the platform: {type(error).__name__}: {error}"


def _measure(name: str, scenario: Measure, rows: list[Row], failures: dict[str, str]) -> None:
    """A scenario that cannot be measured keeps no other from it."""
    started_at = time.monotonic()
    try:
        rows.extend(scenario())
    except Exception as error:
        failures[name] = f"{type(error).__name__}: {error}"
    print(f"{name}: {time.monotonic() - started_at:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
