"""Log lines: what was printed, when, and what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Subject(str, Enum):
    """What a log line belongs to."""

    PIPELINE = "pipeline"  # its build
    DEPLOYMENT = "deployment"  # its pods, outside of executions
    EXECUTION = "execution"


@dataclass(frozen=True)
class LogLine:
    """One line. `stream` is "stdout" or "stderr"."""

    at: datetime
    message: str
    stream: str = "stdout"
    pod_id: str | None = None


@dataclass(frozen=True)
class LogBatch:
    """Lines of one subject, in order. With `pod_event` (pod id, event number), a batch sent twice is stored once.

    `after`: the number of an earlier event of that pod. Where that one is missing this batch is refused, for the order.
    """

    subject: Subject
    subject_id: str
    lines: tuple[LogLine, ...]
    pod_event: tuple[str, int] | None = None
    after: int | None = None
    attempt: int = 1  # of the execution


LAST_LINES = 20  # that are shown with a failure


@dataclass(frozen=True)
class LogRange:
    """`from_at <= at < to_at`, the first `limit`, ascending. None: unbounded."""

    from_at: datetime | None = None
    to_at: datetime | None = None
    limit: int | None = None
    attempt: int | None = None  # of the execution; None: all of them
