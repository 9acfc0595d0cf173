"""The arithmetic of a measurement: percentiles of one round, median and spread of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank). `ordered` is ascending."""
    if not ordered:
        raise ValueError("there is no percentile of no values")
    if not 0 < share <= 1:
        raise ValueError(f"{share} is not a share; allowed: more than 0, at most 1")
    # Rounded first: 0.07 * 100 is 7.000000000000001, and its rank is 7.
    return ordered[math.ceil(round(share * len(ordered), 9)) - 1]


@dataclass(frozen=True)
class Samples:
    """One figure as several rounds saw it."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """What is reported."""
        return median(self.values)

    @property
    def low(self) -> float:
        """The smallest round."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest round."""
        return max(self.values)


def ratio(ours: Samples, other: Samples) -> Samples:
    """Round by round: neighbours in time saw the same machine."""
    return Samples(tuple(a / b for a, b in zip(ours.values, other.values, strict=True)))
