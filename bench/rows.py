"""A row of the table: a figure of ours, the figure it is compared with, its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.figures import Samples, ratio


@dataclass(frozen=True)
class Budget:
    """A limit. `of_ratio`: on the ratio (ours to the other), not on the figure itself."""

    limit: float
    at_least: bool = False
    of_ratio: bool = False
    note: str = ""  # where what is measured is not all that the budget asks

    def verdict(self, value: float) -> str:
        """ "met", or by what factor it was missed."""
        met = value >= self.limit if self.at_least else value <= self.limit
        if met:
            return "met"
        factor = self.limit / value if self.at_least else value / self.limit
        return f"missed by {factor:.2f} x"


@dataclass(frozen=True)
class Row:
    """One line. `other` was measured in turns with `ours`, round by round."""

    what: str
    unit: str
    ours: Samples
    other: Samples | None = None
    budget: Budget | None = None
    inverse: bool = False  # the ratio is other to ours: how many times faster ours is

    @property
    def ratio(self) -> Samples | None:
        """Ours to the other (or the inverse), round by round."""
        if self.other is None:
            return None
        return ratio(self.other, self.ours) if self.inverse else ratio(self.ours, self.other)

    @property
    def verdict(self) -> str | None:
        """Against the budget, by the median."""
        if self.budget is None:
            return None
        judged = self.ratio if self.budget.of_ratio else self.ours
        assert judged is not None, self.what
        return self.budget.verdict(judged.median)

    def as_json(self) -> dict[str, Any]:
        """Everything that was measured, round by round."""
        compared = self.ratio
        return {
            "what": self.what,
            "unit": self.unit,
            "rounds": self.ours.values,
            "median": self.ours.median,
            "other_rounds": None if self.other is None else self.other.values,
            "other_median": None if self.other is None else self.other.median,
            "ratio": None if compared is None else compared.median,
            "ratio_rounds": None if compared is None else compared.values,
            "ratio_is": None if compared is None else ("other / ours" if self.inverse else "ours / other"),
            "budget": None if self.budget is None else vars(self.budget),
            "verdict": self.verdict,
        }
