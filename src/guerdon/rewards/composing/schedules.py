"""Weights that change over a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from guerdon.ranges import Finite, Share, check_ranges
from guerdon.records import Progress


class Schedule(Protocol):
    """A number for every step of the run."""

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value it takes."""
        ...

    def __call__(self, progress: Progress) -> float: ...


@dataclass(frozen=True)
class LinearSchedule:
    """From ``first`` to ``last`` along a line, between shares ``begin`` and ``end`` of the run."""

    first: Finite
    last: Finite
    begin: Share = 0.0
    end: Share = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.begin >= self.end:
            raise ValueError(
                f"a schedule needs begin < end, not begin {self.begin}, end {self.end}"
            )

    @property
    def ends(self) -> tuple[float, float]:
        return min(self.first, self.last), max(self.first, self.last)

    def __call__(self, progress: Progress) -> float:
        return self.first + (self.last - self.first) * self.share(progress)

    def share(self, progress: Progress) -> float:
        """How much of the way is done, in [0, 1]."""
        return min(1.0, max(0.0, (progress.fraction - self.begin) / (self.end - self.begin)))


@dataclass(frozen=True)
class CosineSchedule(LinearSchedule):
    """From ``first`` to ``last`` along half a cosine: slow at both ends."""

    def share(self, progress: Progress) -> float:
        return 0.5 * (1 - math.cos(math.pi * super().share(progress)))
