"""What callers were told and what was seen of it later: the record that a checker goes through."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeyard.domain.executions import ExecutionStatus

FINAL = {status.value for status in ExecutionStatus if status.is_final}


@dataclass
class History:
    """Of one data folder, over all rounds and servers."""

    acknowledged: dict[str, int] = field(default_factory=dict)  # ids that callers got, and the number that they sent
    ticks: set[tuple[str, str]] = field(default_factory=set)  # (deployment, due_at): what must have run
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)  # status and time, as seen for the first time
    failures: Counter[str] = field(default_factory=Counter)

    def see(self, rows: list[dict[str, Any]]) -> list[str]:
        """Note what is final. The ids of those that still are open. A final state that has changed fails."""
        still_open = []
        for row in rows:
            execution_id, seen = row["execution_id"], (row["status"], row["end_date"])
            if row["status"] in FINAL:
                before = self.ends.setdefault(execution_id, seen)
                assert before == seen, f"{execution_id} was {before} and is {seen} now"
            else:
                assert execution_id not in self.ends, (
                    f"{execution_id} was {self.ends.get(execution_id)} and is open now"
                )
                still_open.append(execution_id)
        return still_open

    def check(self, rows: list[dict[str, Any]]) -> None:
        """All that was acknowledged is there, once, with one end; each tick has one execution."""
        ids = [row["execution_id"] for row in rows]
        assert len(set(ids)) == len(ids), "an execution is listed twice"
        missing = set(self.acknowledged) - set(ids)
        assert not missing, f"acknowledged and gone: {sorted(missing)}"
        assert self.see(rows) == [], "executions that do not end"
        assert set(self.ends) <= set(ids), "an execution that had ended is gone"
        fired = Counter((row["deployment_name"], row["due_at"]) for row in rows if "due_at" in row)
        assert set(fired) == self.ticks, f"ticks: {sorted(set(fired) ^ self.ticks)}"
        assert set(fired.values()) <= {1}, f"ticks that ran twice: {fired.most_common(3)}"


class Words:
    """Lines that user code says it has printed, by datagram: so much the log must hold, whatever ended it then."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._printed: Counter[int] = Counter()

    def printed(self, number: int) -> int:
        """How many lines the execution with that number has printed."""
        while True:
            try:
                words = self._socket.recv(100).split()
            except BlockingIOError:
                return self._printed[number]
            self._printed[int(words[0])] = max(self._printed[int(words[0])], int(words[1]) + 1)

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()
