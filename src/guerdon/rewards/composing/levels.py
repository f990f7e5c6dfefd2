"""Where a credit in [0, 1] is mapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guerdon.ranges import Finite, check_ranges
from guerdon.records import Progress
from guerdon.schedules import at, ends


@dataclass(frozen=True)
class Scale:
    """0 is mapped to ``low`` and 1 to ``high``, either of which may be a schedule."""

    low: Finite = 0.0
    high: Finite = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, credit: float, progress: Progress) -> float:
        return self.now(progress)(credit)

    def now(self, progress: Progress) -> Callable[[float], float]:
        """The map of this moment: schedules are asked once for many credits."""
        low, high = at(self.low, progress), at(self.high, progress)
        return lambda credit: (high - low) * credit + low

    @property
    def range(self) -> tuple[float, float]:
        """The lowest ``low`` and the highest ``high`` of any step."""
        (low, low_top), (high_bottom, high) = ends(self.low), ends(self.high)
        return min(low, high_bottom), max(low_top, high)
