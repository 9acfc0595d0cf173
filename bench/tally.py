"""What one round of the load generator counts."""

from __future__ import annotations

from dataclasses import dataclass

from bench.figures import percentile


@dataclass(frozen=True)
class Round:
    """What one round found."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    first_error: str | None
    generator_cpu_share: float  # of one core: what the generator took from those it measured


class Tally:
    """Latencies and errors of the calls that were sent in the measured time; answers that arrived in it."""

    def __init__(self, begin_at: float, end_at: float) -> None:
        self.begin_at, self.end_at = begin_at, end_at
        self.latencies_s: list[float] = []
        self.arrived = 0
        self.errors = 0
        self.first_error: str | None = None

    def note(self, sent_at: float, arrived_at: float, own_time_s: float) -> None:
        """A good answer."""
        if self.begin_at <= arrived_at <= self.end_at:
            self.arrived += 1
        if self.begin_at <= sent_at:
            self.latencies_s.append(arrived_at - sent_at - own_time_s)

    def fail(self, why: str) -> None:
        """A wrong answer, or none; those of the warm-up count too."""
        self.errors += 1
        self.first_error = self.first_error or why[:500]

    def round(self, cpu_share: float) -> Round:
        """The figures. Raises ValueError when nothing was answered."""
        ordered = sorted(self.latencies_s)
        if not ordered:
            raise ValueError(f"no call was answered: {self.first_error}")
        p50, p90, p99 = (1000 * percentile(ordered, share) for share in (0.5, 0.9, 0.99))
        rate = self.arrived / (self.end_at - self.begin_at)
        worst = 1000 * ordered[-1]
        return Round(len(ordered), rate, p50, p90, p99, worst, self.errors, self.first_error, cpu_share)
