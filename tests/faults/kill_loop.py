"""Rounds of load in which one process is killed, or stopped past every lease, at a random moment; nothing may be lost.

`python -m tests.faults.kill_loop ROUNDS SEED` prints each round; with `stop` after it, processes are stopped instead.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from craft_ai_sdk import Input, Output

from tests.faults.histories import History, Words
from tests.faults.processes import Leftovers, members, supervisors
from tests.platforms import Platform, eventually
from tests.ticks import fire, to_wire

TRIGGERS = 20
TICKERS = (
    "second-0",
    "second-1",
    "second-2",
)  # periodic deployments: each fires once a round, one second after another
VICTIMS = ("server", "supervisor", "worker", "child")
MARK = "KILL_LOOP_MARK"
FILE_BYTES = 300_000
LINES = 8
LATEST_HIT_S = 1.2  # after the first trigger
STOPPED_S = 3.0  # longer than the leases of `STOP_SETTINGS`
STOP_SETTINGS = {"supervisor_orphan_s": 2, "client_stall_s": 1}
TIMEOUT_S = 90.0
LEFTOVERS_S = 15.0  # for what has ended to go
CODE = """
import os, socket

def main(number, lines, pause_s, port):
    to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    child = os.posix_spawn("/bin/sleep", ["sleep", str(pause_s)], os.environ)
    status = None
    for line in range(lines):
        if line == lines // 2:
            _, status = os.waitpid(child, 0)
        print(f"{number}: {line}")
        to.sendto(f"{number} {line}".encode(), ("127.0.0.1", port))
    to.close()
    with open("out.bin", "wb") as file:
        file.write(b"%d " % number * (FILE_BYTES // len(b"%d " % number)))
    return {"number": number, "status": status, "file": {"path": "out.bin"}}
""".replace("FILE_BYTES", str(FILE_BYTES))


@dataclass
class Figures:
    """What is worth printing of a loop."""

    victims: Counter[str] = field(default_factory=Counter)
    rounds_s: list[float] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)  # from the start of a process to a server with all adopted
    not_succeeded: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0


class KillLoop:
    """One platform, hit again and again."""

    def __init__(self, folder: Path, seed: int, *, stops: bool = False) -> None:
        self.chance = random.Random(seed)
        self.stops = stops
        self.platform = Platform(
            folder, stop_grace_s=0.5, queue_max_executions=10_000, **STOP_SETTINGS if stops else {}
        )
        self.history, self.words, self.figures = History(), Words(), Figures()
        self.leftovers = Leftovers(self.platform, f"{MARK}={folder.name}")
        self.round = 0
        self.http = httpx.Client()
        self.former: list[httpx.Client] = []  # of servers that are gone

    def open(self) -> None:
        """A platform with deployments of both modes that are up."""
        platform = self.platform.start()
        platform.sdk.create_or_update_environment_variable(MARK, self.platform.folder.name)
        pipeline = platform.create_pipeline(
            CODE,
            [Input(name, "number") for name in ("number", "lines", "pause_s", "port")],
            [Output("number", "number"), Output("status", "number"), Output("file", "file")],
        )
        self.deployments = [platform.deploy(pipeline, mode) for mode in ("elastic", "low_latency")]
        ticks = platform.create_pipeline("def main(): print('tick')")
        for number, name in enumerate(TICKERS):
            mode = "low_latency" if number == 1 else "elastic"
            platform.sdk.create_deployment(ticks, name, "periodic", mode, schedule="0 0 1 1 *")
        self.warm = {pod.rpartition("-")[0] for pod in supervisors(platform)}
        self.http = platform.http()

    def close(self) -> None:
        """Idempotent."""
        self.words.close()
        self.http.close()
        self.platform.stop()
        assert self.platform.processes() == []

    def play(self, victim: str = "") -> None:
        """One round, with its check. Without a victim, whoever comes up."""
        self.round += 1
        began_s = time.monotonic()
        earlier = set(self.history.ends)
        due = {name: int(time.time() * 1000 + number * 1000 + 300) / 1000 for number, name in enumerate(TICKERS)}
        self.history.ticks |= {(name, to_wire(at_s)) for name, at_s in due.items()}
        fire(self.platform, due)
        numbers = [self.round * 1000 + index for index in range(TRIGGERS)]
        victim, moment_s = victim or self.chance.choice(VICTIMS), self.chance.uniform(0, LATEST_HIT_S)
        print(
            f"round {self.round}: {'stop' if self.stops else 'kill'} {victim} after {moment_s:.3f} s",
            end="",
            flush=True,
        )
        with ThreadPoolExecutor(TRIGGERS) as callers:
            delays_s = [self.chance.choice((0, self.chance.uniform(0, LATEST_HIT_S))) for _ in numbers]
            calls = list(map(partial(callers.submit, self._trigger), numbers, delays_s))
            time.sleep(moment_s)
            victim = self._hit(victim)
            answers = [call.result() for call in calls]
        while self.former:
            self.former.pop().close()
        mine = {one: number for one, number in zip(answers, numbers, strict=True) if one is not None}
        self.history.acknowledged |= mine
        self.figures.unanswered += len(numbers) - len(mine)
        self.figures.victims[victim] += 1
        rows = self._settled(due)
        self._check(mine, [row for row in rows if row["execution_id"] not in earlier], victim)
        self.figures.rounds_s.append(time.monotonic() - began_s)
        print(f", {len(mine)} acknowledged, {self.figures.rounds_s[-1]:.1f} s", flush=True)

    def _trigger(self, number: int, delay_s: float) -> str | None:
        """Its id, if an answer came."""
        time.sleep(delay_s)
        deployment = self.deployments[number % 2]
        inputs = {"number": number, "lines": LINES, "pause_s": number % 7 * 0.015, "port": self.words.port}
        try:
            answer = self.http.post(
                f"/endpoints/{deployment['endpoint_url_path']}",
                headers={
                    "Authorization": f"EndpointToken {deployment['endpoint_token']}",
                    "Prefer": "respond-async",
                },
                json=inputs,
            )
        except httpx.TransportError:
            return None
        assert answer.status_code == 303, answer.text
        return str(answer.json()["execution_id"])

    def _hit(self, victim: str) -> str:
        """Whom it has hit: when all user code has ended already, the supervisor of a warm pod."""
        number = signal.SIGSTOP if self.stops else signal.SIGKILL
        if victim == "server":
            if self.stops:
                self._stop_server()
            else:
                self.platform.kill()
                self._start()
            return victim
        pid = self._find(victim)
        if pid is None:
            victim, pid = "supervisor", eventually(lambda: self._find("supervisor"), 30)
        if _send(pid, number) and self.stops:
            time.sleep(STOPPED_S)
            _send(pid, signal.SIGCONT)
        return victim

    def _stop_server(self) -> None:
        """Stopped, it still holds its folder: no other server gets it."""
        os.kill(self.platform.pid, signal.SIGSTOP)
        began_s = time.monotonic()
        second = Platform(self.platform.folder)
        try:
            second.start()
        except AssertionError:
            pass
        else:
            second.kill()
            raise AssertionError("two servers on one data folder")
        time.sleep(max(0.0, STOPPED_S - (time.monotonic() - began_s)))
        os.kill(self.platform.pid, signal.SIGCONT)

    def _start(self) -> None:
        began_s = time.monotonic()
        self.platform.start()
        self.figures.starts_s.append(time.monotonic() - began_s)
        self.former.append(self.http)  # not closed: calls may be about to use it
        self.http = self.platform.http()

    def _find(self, victim: str) -> int | None:
        """A process of some pod; None when there is none at the moment."""
        for pid in self.chance.sample(pids := list(supervisors(self.platform).values()), len(pids)):
            workers, children = members(pid)
            found = {"supervisor": [pid], "worker": workers, "child": children}[victim]
            if found:
                return self.chance.choice(found)
        return None

    def _settled(self, due: dict[str, float]) -> list[dict[str, Any]]:
        """The newest executions, once none is open and the round's ticks are there."""
        ticks = {(name, to_wire(at_s)) for name, at_s in due.items()}

        def check() -> list[dict[str, Any]] | None:
            rows: list[dict[str, Any]] = self._list({"limit": 200})
            fired = {(row["deployment_name"], row.get("due_at")) for row in rows}
            return rows if not self.history.see(rows) and ticks <= fired else None

        return eventually(check, TIMEOUT_S)  # type: ignore[no-any-return]

    def _list(self, query: dict[str, Any]) -> Any:
        return self.http.get("/api/v1/executions", params=query).raise_for_status().json()

    def _check(self, mine: dict[str, int], rows: list[dict[str, Any]], victim: str) -> None:
        found = {row["execution_id"]: row["status"] for row in rows}
        assert mine.keys() <= found.keys(), f"acknowledged and gone: {sorted(mine.keys() - found.keys())}"
        # Of a pod that is hit one execution may run, and the end of another may be on its way.
        may_end = 2 if victim in ("supervisor", "worker") and not self.stops else 0
        ended = [row for row in rows if row["status"] != "Succeeded"]
        for row in ended:
            failure = self.http.get(f"/api/v1/executions/{row['execution_id']}").json()["failure"]
            self.figures.not_succeeded[f"{victim}: {row['status']} {failure['kind']}"] += 1
            # Signalled: while user code ran; platform: on the way there.
            assert failure["kind"] in ("lost", "signalled") or "did not start: killed" in failure["message"], failure
        assert len(ended) <= may_end, ended
        for row in rows:
            if "due_at" in row and row["status"] == "Succeeded":
                assert self._lines(row["execution_id"]) == ["tick"]
        for execution_id, number in mine.items():
            self._check_lines(execution_id, number, is_whole=found[execution_id] == "Succeeded", victim=victim)
        execution_id, number = self.chance.choice(sorted(mine.items()) or [("", 0)])
        if found.get(execution_id) == "Succeeded":
            file = self.http.get(f"/api/v1/executions/{execution_id}/outputs/file").raise_for_status().content
            assert file == b"%d " % number * (FILE_BYTES // len(b"%d " % number))
        self._check_leftovers(set(found))

    def _check_lines(self, execution_id: str, number: int, *, is_whole: bool, victim: str) -> None:
        """Whole, or up to the death of whoever printed. A dead supervisor takes along what it had not sent."""
        lines = [line for line in self._lines(execution_id) if line.startswith(f"{number}: ")]
        assert lines == [f"{number}: {line}" for line in range(len(lines))], (execution_id, lines)
        wanted = LINES if is_whole else 0 if victim == "supervisor" else self.words.printed(number)
        assert len(lines) >= wanted, (execution_id, lines, wanted)

    def _lines(self, execution_id: str) -> list[str]:
        answer = self.http.post(f"/api/v1/executions/{execution_id}/logs", json={}).raise_for_status().json()
        return [line["message"] for line in answer[0]]

    def describe(self) -> str:
        """What is open, and which pods there are, for whoever looks for the reason of a round that failed."""
        try:
            still_open = [row for row in self._list({"limit": 200}) if row["execution_id"] not in self.history.ends]
        except httpx.HTTPError as error:
            still_open = [{"error": repr(error)}]
        pods = {pod: members(pid) for pod, pid in supervisors(self.platform).items()}
        return f"open: {still_open}\npods: {pods}\n{self.platform.log()[-6000:]}"

    def check_all(self) -> None:
        """The whole history against all that is stored."""
        rows: list[dict[str, Any]] = []
        while page := self._list({"limit": 1000} | ({"before": rows[-1]["execution_id"]} if rows else {})):
            rows += page
        self.history.check(rows)
        of_rounds = {row["execution_id"] for row in rows}
        self._check_leftovers(of_rounds)

    def _check_leftovers(self, execution_ids: set[str]) -> None:
        try:
            eventually(lambda: not self.leftovers.find(self.warm, execution_ids), LEFTOVERS_S)
        except AssertionError:
            left = self.leftovers.find(self.warm, execution_ids)
            assert not left, left


def _send(pid: int, number: signal.Signals) -> bool:
    """Whether it was still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def play(rounds: int, seed: int, *, stops: bool = False) -> Figures:
    """All rounds on one data folder."""
    with tempfile.TemporaryDirectory(prefix="pipeyard-kill-loop-") as folder:
        loop = KillLoop(Path(folder), seed, stops=stops)
        try:
            loop.open()
            for _ in range(rounds):
                loop.play()
            loop.check_all()
            return loop.figures
        except BaseException:
            print(f"\nseed {seed}, round {loop.round}\n{loop.describe()}", flush=True)
            raise
        finally:
            loop.close()


def report(figures: Figures, rounds: int, seed: int) -> None:
    """In a few lines."""
    rounds_s, starts_s = sorted(figures.rounds_s), sorted(figures.starts_s)
    print(f"{rounds} of {rounds} rounds, seed {seed}: {dict(figures.victims)}")
    print(f"a round took {rounds_s[len(rounds_s) // 2]:.2f} s (median), {rounds_s[-1]:.2f} s (at most)")
    typical_s, longest_s = starts_s[len(starts_s) // 2], starts_s[-1]
    print(
        f"{len(starts_s)} starts: up, with all adopted, after {typical_s:.2f} s (median), {longest_s:.2f} s (at most)"
    )
    print(f"not answered: {figures.unanswered}; not succeeded: {dict(figures.not_succeeded)}")


def main(arguments: list[str]) -> int:
    """0 when every round held."""
    rounds, seed = (int(text) for text in arguments[:2])
    report(play(rounds, seed, stops="stop" in arguments), rounds, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
