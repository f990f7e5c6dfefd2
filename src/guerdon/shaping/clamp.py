"""Fixed bounds on the total."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from guerdon.ranges import Unbounded, check_ranges
from guerdon.records import Progress, Rollouts, Scores


@dataclass(frozen=True)
class Clamp:
    """``min(max(r, low), high)``; unbounded by default. Raises ValueError for placed scores.

    ``high`` alone is PAR's ceiling baseline (2502.18770; 3 to 5); -10 and 10 is the clip of
    2310.02743.
    """

    name: ClassVar[str] = "clamp"

    low: Unbounded = -math.inf
    """The least that a row is worth."""
    high: Unbounded = math.inf
    """The most."""

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.low <= self.high:
            raise ValueError(f"Clamp needs low <= high, got {self.low} and {self.high}")

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        return scores.map(lambda value_N: value_N.clamp(self.low, self.high))

    @classmethod
    def example(cls) -> Clamp:
        return cls(0.2, 0.7)

    @classmethod
    def trivial(cls) -> Clamp:
        return cls()
