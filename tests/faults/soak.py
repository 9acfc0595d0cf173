"""Mixed load for `MINUTES` (20): memory, descriptors and logs of the server stay where they were. `make soak`."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from craft_ai_sdk import Input, Output

from tests.faults.histories import FINAL
from tests.platforms import Platform, eventually
from tests.ticks import fire

WARM_UP = 0.25  # of the time: what is kept in memory up to a limit fills in it
SAMPLE_S = 5.0
GROWTH_MAX = 0.05
DESCRIPTORS_MAX = 10  # more than at the end of the warm-up
WAL_MAX_BYTES = 70 * 1024**2  # of one database: the limit that SQLite is given, and a group
CODE = """
def main(number, data=None):
    for line in range(10):
        print(number, line)
    with open("out.bin", "wb") as file:
        file.write(b"%d" % number * 10_000)
    return {"number": number, "file": {"path": "out.bin"}}
"""


@dataclass(frozen=True)
class Sample:
    """What the server takes at one moment."""

    at_s: float
    resident_bytes: int
    descriptors: int
    wal_bytes: int


class Load:
    """Several callers, each with work of its own, until they are told to end."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.done: Counter[str] = Counter()
        self.over = threading.Event()
        inputs = [Input("number", "number"), Input("data", "file")]
        self.pipeline = platform.create_pipeline(CODE, inputs, [Output("number", "number"), Output("file", "file")])
        self.warm, self.elastic = (platform.deploy(self.pipeline, mode) for mode in ("low_latency", "elastic"))
        ticks = platform.create_pipeline("def main(): print('tick')")
        platform.sdk.create_deployment(ticks, "ticker", "periodic", "elastic", schedule="0 0 1 1 *")

    def works(self) -> list[Callable[[Any], None]]:
        """What the callers do again and again, each with a client of its own."""
        return [self._call_warm, self._call_warm, self._call_elastic, self._read, self._change]

    def run(self, work: Callable[[Any], None]) -> None:
        """One caller."""
        http, until_s = self.platform.http(), time.monotonic() + 600
        while not self.over.is_set():
            if time.monotonic() > until_s:  # its token expires
                http.close()
                http, until_s = self.platform.http(), time.monotonic() + 600
            work(http)
            self.done[work.__name__] += 1
        http.close()

    def _call(self, http: Any, deployment: dict[str, Any], number: int) -> None:
        headers = {"Authorization": f"EndpointToken {deployment['endpoint_token']}"}
        files = {"data": b"x" * 100_000} if number % 10 == 0 else {"data": b""}
        url = f"/endpoints/{deployment['endpoint_url_path']}"
        answer = http.post(url, headers=headers, data={"number": str(number)}, files=files)
        assert answer.status_code == 200, answer.text

    def _call_warm(self, http: Any) -> None:
        self._call(http, self.warm, self.done["_call_warm"])
        time.sleep(0.01)

    def _call_elastic(self, http: Any) -> None:
        self._call(http, self.elastic, self.done["_call_elastic"])
        time.sleep(0.2)

    def _read(self, http: Any) -> None:
        rows = http.get("/api/v1/executions", params={"limit": 20}).raise_for_status().json()
        for row in rows[:3]:
            http.get(f"/api/v1/executions/{row['execution_id']}").raise_for_status()
            http.post(f"/api/v1/executions/{row['execution_id']}/logs", json={}).raise_for_status()
        http.get("/api/v1/health").raise_for_status()
        time.sleep(0.2)

    def _change(self, http: Any) -> None:
        """A tick, a deployment that comes and goes, an object that is replaced, a variable."""
        sdk = self.platform.sdk
        fire(self.platform, {"ticker": time.time()})
        file = self.platform.folder / "object"
        file.write_bytes(os.urandom(200_000))
        sdk.upload_data_store_object(str(file), "soak/object")
        sdk.create_or_update_environment_variable("SOAK", str(self.done["_change"]))
        time.sleep(1.0)


def sample(platform: Platform, began_s: float) -> Sample:
    """The server alone."""
    status = Path(f"/proc/{platform.pid}/status").read_text()
    resident = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))
    logs = [path.stat().st_size for path in platform.data_dir.glob("*.db-wal")]
    descriptors = len(os.listdir(f"/proc/{platform.pid}/fd"))
    return Sample(time.monotonic() - began_s, resident, descriptors, max(logs, default=0))


def judge(samples: list[Sample], length_s: float) -> int:
    """Print the table and the verdict; 0 when all limits hold."""
    print(f"{'minute':>6} {'resident MiB':>12} {'descriptors':>11} {'largest WAL MiB':>15}")
    for minute in range(int(length_s // 60) + 1):
        of_minute = [one for one in samples if minute * 60 <= one.at_s < (minute + 1) * 60]
        if of_minute:
            resident = median(one.resident_bytes for one in of_minute) / 1024**2
            descriptors = median(one.descriptors for one in of_minute)
            wal = max(one.wal_bytes for one in of_minute) / 1024**2
            print(f"{minute:>6} {resident:>12.1f} {descriptors:>11.0f} {wal:>15.1f}")
    first, last = _window(samples, length_s * WARM_UP, length_s), _window(samples, length_s * 0.85, length_s)
    growth = last[0] / first[0] - 1
    checks = {
        f"resident memory grew by {growth:+.1%} after the warm-up (at most {GROWTH_MAX:.0%})": growth <= GROWTH_MAX,
        f"descriptors went from {first[1]:.0f} to {last[1]:.0f}": last[1] - first[1] <= DESCRIPTORS_MAX,
        f"the largest write-ahead log was {max(one.wal_bytes for one in samples) / 1024**2:.1f} MiB": all(
            one.wal_bytes <= WAL_MAX_BYTES for one in samples
        ),
    }
    for text, holds in checks.items():
        print(f"{'good' if holds else 'WRONG'}: {text}")
    return int(not all(checks.values()))


def _window(samples: list[Sample], begin_s: float, length_s: float) -> tuple[float, float]:
    """Medians of memory and descriptors over 15 % of the time."""
    chosen = [one for one in samples if begin_s <= one.at_s < begin_s + 0.15 * length_s]
    return median(one.resident_bytes for one in chosen), median(one.descriptors for one in chosen)


def play(folder: Path, length_s: float, sample_s: float = SAMPLE_S) -> tuple[list[Sample], Counter[str]]:
    """The load on a platform of its own. Fails when a caller got an answer that is not good, or work is left."""
    platform = Platform(folder, stop_grace_s=0.5).start()
    try:
        load = Load(platform)
        samples, began_s = [], time.monotonic()
        with ThreadPoolExecutor(10) as callers:
            running = [callers.submit(load.run, work) for work in load.works()]
            try:
                while time.monotonic() - began_s < length_s and not any(one.done() for one in running):
                    time.sleep(sample_s)
                    samples.append(sample(platform, began_s))
            finally:
                load.over.set()
            for one in running:
                one.result()
        with platform.http() as http:
            query = {"limit": 1000}
            rows = eventually(lambda: http.get("/api/v1/executions", params=query).json(), 60)
            load.done.update(row["status"] for row in rows if row["status"] in FINAL)
        return samples, load.done
    finally:
        platform.stop()


def main() -> int:
    """0 when all limits hold."""
    length_s = 60 * float(os.environ.get("MINUTES") or 20)
    with tempfile.TemporaryDirectory(prefix="pipeyard-soak-") as folder:
        samples, done = play(Path(folder), length_s)
    print(f"{length_s / 60:g} minutes: {dict(done)}")
    return judge(samples, length_s)


if __name__ == "__main__":
    sys.exit(main())
