"""One call of the server fails: the first, the second, and so on until a whole scenario does not come to it.

`python -m tests.faults.failing_calls` tries every fault of `FAULTS`, at a start after kill -9 and while it works; with
`STEP` one call of so many only.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from craft_ai_sdk import Input, Output

from tests.faults.histories import History
from tests.faults.shims import FAULTS, ShimmedPlatform
from tests.platforms import eventually

CODE = """
def main(number, data):
    with open(data["path"], "rb") as file:
        content = file.read()
    print(f"{number}: begin")
    with open("out.bin", "wb") as file:
        file.write(content[::-1])
    print(f"{number}: end")
    return {"number": number, "file": {"path": "out.bin"}}
"""
TIMEOUT_S = 60.0
BY_PLATFORM = ("platform", "lost")  # what an execution may end with when the platform fails


class Victim:
    """One platform that is failed again and again."""

    def __init__(self, folder: Path) -> None:
        self.platform = ShimmedPlatform(folder, stop_grace_s=0.5, queue_max_executions=10_000)
        self.history = History()
        self.found: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self.http = httpx.Client()

    def open(self) -> None:
        """With a deployment of each mode that is up."""
        self.platform.start()
        inputs = [Input("number", "number"), Input("data", "file")]
        name = self.platform.create_pipeline(CODE, inputs, [Output("number", "number"), Output("file", "file")])
        self.deployments = [self.platform.deploy(name, mode) for mode in ("low_latency", "elastic")]
        self.http = self.platform.http()

    def close(self) -> None:
        """Without a fault in the way."""
        self.platform.relax()
        self.http.close()
        self.platform.stop()

    def work(self) -> dict[str, int]:
        """An execution of each mode, at once. Ids and numbers of those that were acknowledged."""
        numbers = [next(self._numbers) for _ in self.deployments]
        with ThreadPoolExecutor(len(numbers)) as callers:
            answers = list(callers.map(self._call, self.deployments, numbers))
        return {one: number for one, number in zip(answers, numbers, strict=True) if one is not None}

    def _call(self, deployment: dict[str, Any], number: int) -> str | None:
        headers = {"Authorization": f"EndpointToken {deployment['endpoint_token']}"}
        try:
            answer = self.http.post(
                f"/endpoints/{deployment['endpoint_url_path']}",
                headers=headers | {"Prefer": "respond-async"},
                data={"number": str(number)},
                files={"data": _content(number)},
            )
        except httpx.TransportError:
            return None
        self.found[f"answered {answer.status_code}"] += 1
        if answer.status_code != 303:
            return None
        with suppress(httpx.TransportError):  # held until it has ended: no question of ours counts as a call
            self.http.get(answer.headers["Location"], headers=headers)
        return str(answer.json()["execution_id"])

    def settle(self, acknowledged: dict[str, int]) -> None:
        """All that was acknowledged ends, as it should; what ended before is as it was."""
        self.history.acknowledged |= acknowledged

        def check() -> list[dict[str, Any]] | None:
            try:
                answer = self.http.get("/api/v1/executions", params={"limit": 30})
            except httpx.TransportError:
                return None
            rows: list[dict[str, Any]] = answer.json() if answer.status_code == 200 else []
            return rows if rows and not self.history.see(rows) else None

        rows = eventually(check, TIMEOUT_S)
        found = {row["execution_id"]: row["status"] for row in rows}
        assert acknowledged.keys() <= found.keys(), "acknowledged and gone"
        for execution_id, number in acknowledged.items():
            self.found[found[execution_id]] += 1
            self._check(execution_id, number, found[execution_id])

    def _check(self, execution_id: str, number: int, status: str) -> None:
        path = f"/api/v1/executions/{execution_id}"
        if status != "Succeeded":
            failure = self.http.get(path).json()["failure"]
            self.found[f"{status} {failure['kind']}: {failure['message'][:70]}"] += 1
            assert status == "Error", failure
            assert failure["kind"] in BY_PLATFORM, failure
            return
        assert self.http.get(f"{path}/outputs/number").json() == number
        assert self.http.get(f"{path}/outputs/file").content == _content(number)[::-1]
        lines = [line["message"] for line in self.http.post(f"{path}/logs", json={}).json()[0]]
        assert lines == [f"{number}: begin", f"{number}: end"], lines


def _content(number: int) -> bytes:
    return b"%08d" % number * 4000


def fail_at_work(victim: Victim, fault: str, number: int) -> bool:
    """Whether the call was reached."""
    victim.platform.order(fault, number)
    acknowledged = victim.work()
    fired = victim.platform.relax()
    victim.settle(acknowledged)
    return fired > 0


def fail_at_start(victim: Victim, fault: str, number: int) -> bool:
    """As above. A start that fails says why, and the next one goes well."""
    acknowledged = victim.work()
    victim.platform.kill()
    victim.platform.order(fault, number)
    try:
        victim.platform.start()
    except AssertionError as error:
        victim.found[f"start refused: {str(error).strip().splitlines()[-1][:100]}"] += 1
        fired = victim.platform.relax()
        if not fired:
            raise
        victim.platform.start()
    else:
        time.sleep(0.1)
        fired = victim.platform.relax()
    victim.http.close()
    victim.http = victim.platform.http()
    victim.settle(acknowledged)
    return fired > 0


WAYS: dict[str, Callable[[Victim, str, int], bool]] = {"at work": fail_at_work, "at start": fail_at_start}
UNREACHED = 3  # times in a row: calls of several threads come in any order


def play(way: str, fault: str, step: int, folder: Path, first: int = 1) -> tuple[int, Counter[str]]:
    """Fail call after call. How many there were, and what was found."""
    victim = Victim(folder)
    number = last = first
    try:
        victim.open()
        unreached = 0
        while unreached < UNREACHED:
            is_reached = WAYS[way](victim, fault, number)
            unreached = 0 if is_reached else unreached + 1
            last = number if is_reached else last
            if number % 50 < step:
                print(f"{fault} {way}: call {number}", flush=True)
            number += step
    except BaseException as error:
        error.add_note(f"{fault} {way}, call {number}")
        error.add_note(victim.platform.log()[-5000:])
        raise
    finally:
        victim.close()
    return last, victim.found


def main(arguments: list[str]) -> int:
    """0 when nothing was lost and no state is wrong."""
    step = int(os.environ.get("STEP") or 1)
    for way, fault in itertools.product(WAYS, FAULTS):
        if arguments and not {way, fault} >= set(arguments):
            continue
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="pipeyard-failing-calls-") as folder:
            last, found = play(way, fault, step, Path(folder), int(os.environ.get("FIRST") or 1))
        print(
            f"{fault} {way}: calls 1 to {last} by {step}, {time.monotonic() - began_s:.0f} s: {dict(found)}", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
