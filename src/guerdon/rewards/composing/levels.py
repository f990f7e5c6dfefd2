"""Reward levels that may change over a run: a number, or a function of the optimiser step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guerdon.ranges import Finite, PositiveInt, WholeNumber, check_ranges
from guerdon.records import Progress

Level = Finite | Callable[[int], float]
"""A number, or what gives one for the step (counted from 0)."""


@dataclass(frozen=True)
class Ramp:
    """From ``start`` at step 0 in a straight line to ``end`` at ``steps``, and there it stays."""

    start: Finite
    end: Finite
    steps: PositiveInt

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, step: int) -> float:
        return self.start + (self.end - self.start) * min(max(step, 0) / self.steps, 1.0)

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest level."""
        return min(self.start, self.end), max(self.start, self.end)


@dataclass(frozen=True)
class Switch:
    """``before`` in steps below ``at``, ``after`` from there on."""

    before: Finite
    after: Finite
    at: WholeNumber

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, step: int) -> float:
        return self.before if step < self.at else self.after

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest level."""
        return min(self.before, self.after), max(self.before, self.after)


@dataclass(frozen=True)
class Scale:
    """Where a credit in [0, 1] is mapped: 0 to ``low``, 1 to ``high``."""

    low: Level = 0.0
    high: Level = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, credit: float, progress: Progress) -> float:
        low, high = (level_at(level, progress) for level in (self.low, self.high))
        return (high - low) * credit + low

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest ``low`` and the highest ``high`` of any step."""
        (low, low_top), (high_bottom, high) = (_ends(level) for level in (self.low, self.high))
        return min(low, high_bottom), max(low_top, high)


def level_at(level: Level, progress: Progress) -> float:
    """The level at this step."""
    return level(progress.step) if callable(level) else float(level)


def _ends(level: Level) -> tuple[float, float]:
    if not callable(level):
        return float(level), float(level)
    ends: tuple[float, float] = getattr(level, "ends", (float("-inf"), float("inf")))
    return ends
