"""Learning-rate schedules: the step to a factor on the base rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from guerdon.ranges import Count, Share, check_ranges
from guerdon.records import Progress


@runtime_checkable
class Schedule(Protocol):
    """Where the run stands to a factor in [0, 1]."""

    def __call__(self, progress: Progress) -> float: ...


@dataclass(frozen=True)
class Constant:
    """1 after ``warmup`` steps of linear rise from ``1/warmup``."""

    warmup: Count = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, progress: Progress) -> float:
        return _warm(progress, self.warmup)


@dataclass(frozen=True)
class Linear:
    """Linear rise over ``warmup`` steps, then linear fall to ``floor`` at the last step."""

    warmup: Count = 0
    floor: Share = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, progress: Progress) -> float:
        fall = 1.0 - _after(progress, self.warmup)
        return _warm(progress, self.warmup) * (self.floor + (1.0 - self.floor) * fall)


@dataclass(frozen=True)
class Cosine:
    """Linear rise over ``warmup`` steps, then half a cosine down to ``floor``."""

    warmup: Count = 0
    floor: Share = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, progress: Progress) -> float:
        fall = 0.5 * (1.0 + math.cos(math.pi * _after(progress, self.warmup)))
        return _warm(progress, self.warmup) * (self.floor + (1.0 - self.floor) * fall)


def _warm(progress: Progress, warmup: int) -> float:
    return min(1.0, (progress.step + 1) / warmup) if warmup else 1.0


def _after(progress: Progress, warmup: int) -> float:
    """Share of the steps after the warm-up that are done, in [0, 1)."""
    return max(0, progress.step - warmup) / max(progress.total - warmup, 1)
