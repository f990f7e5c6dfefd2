"""Shapers by running statistics of all rewards seen; these have memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from guerdon.ranges import NonNegative, check_ranges
from guerdon.records import Progress, Rollouts, Scores


@dataclass
class RunningStatistics:
    """Count, mean, population standard deviation and extremes of a stream of rewards."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @property
    def std(self) -> float:
        """Population standard deviation; 1 where there is no spread to divide by."""
        return math.sqrt(self.squares / self.count) if self.squares > 0 else 1.0

    def observe(self, scores: Scores) -> None:
        """Take in the valid rewards of a batch (parallel form of Welford's update)."""
        value = scores.value[scores.valid].double()
        n = len(value)
        if not n:
            return
        mean, total = float(value.mean()), self.count + n
        gap = mean - self.mean
        self.squares += float(((value - mean) ** 2).sum()) + gap**2 * self.count * n / total
        self.mean += gap * n / total
        self.low, self.high = min(self.low, float(value.min())), max(self.high, float(value.max()))
        self.count = total


@dataclass(frozen=True)
class _Running:
    """What the shapers below share: the batch is seen first, then shaped."""

    seen: RunningStatistics = field(
        default_factory=RunningStatistics, init=False, repr=False, compare=False
    )

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self.seen))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        vars(self.seen).update(state)


@dataclass(frozen=True)
class RunningStandardise(_Running):
    """``(r - mean) / std`` of all rewards seen so far, this batch included.

    Without any spread the std counts as 1. Raises ValueError for placed scores.
    """

    name: ClassVar[str] = "running-standardise"

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        self.seen.observe(scores)
        return scores.map(lambda value_N: (value_N.double() - self.seen.mean) / self.seen.std)

    @classmethod
    def example(cls) -> RunningStandardise:
        return cls()


@dataclass(frozen=True)
class RunningClip(_Running):
    """``r`` held within ``width`` standard deviations of the running mean.

    While all rewards are equal it changes nothing. Raises ValueError for placed scores.
    """

    name: ClassVar[str] = "running-clip"

    width: NonNegative = 1.0
    """How many standard deviations from the running mean a reward may be."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        self.seen.observe(scores)
        reach = self.width * self.seen.std
        low, high = self.seen.mean - reach, self.seen.mean + reach
        return scores.map(lambda value_N: value_N.double().clamp(low, high))

    @classmethod
    def example(cls) -> RunningClip:
        return cls(0.5)

    @classmethod
    def trivial(cls) -> RunningClip:
        return cls(100.0)


@dataclass(frozen=True)
class RunningMinMax(_Running):
    """``(r - low) / (high - low)`` by the extremes seen so far; 0.5 while they are equal.

    Affine within a batch, so group-normalised advantages ignore it. Raises ValueError for
    placed scores.
    """

    name: ClassVar[str] = "running-min-max"

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        self.seen.observe(scores)
        span = self.seen.high - self.seen.low
        if span > 0:
            return scores.map(lambda value_N: (value_N.double() - self.seen.low) / span)
        return scores.map(lambda value_N: torch.full_like(value_N, 0.5))

    @classmethod
    def example(cls) -> RunningMinMax:
        return cls()
