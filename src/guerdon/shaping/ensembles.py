"""Several judges of the same thing as one score: mean, worst case, uncertainty-weighted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from guerdon.ranges import Finite, NonNegative, Positive, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.named import parts_of


class Aggregate(Protocol):
    """float[K, N] scores of K members to float[N]. A member's NaN is left out of its column."""

    def __call__(self, member_KN: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class MeanMember:
    """The mean over members."""

    def __call__(self, member_KN: Tensor) -> Tensor:
        return member_KN.nanmean(0)


@dataclass(frozen=True)
class WorstMember:
    """The lowest member: worst-case optimisation (2310.02743)."""

    def __call__(self, member_KN: Tensor) -> Tensor:
        known_KN = torch.isfinite(member_KN)
        low_N = torch.where(known_KN, member_KN, math.inf).amin(0)
        return torch.where(known_KN.any(0), low_N, math.nan)


@dataclass(frozen=True)
class MeanLessVariance:
    """``mean - weight * variance`` over members: uncertainty-weighted optimisation (2310.02743).

    One member has variance 0. The paper's best-of-n study has ``weight`` 0.5 and the population
    variance, its PPO study 0.1 and the sample variance (``unbiased``). Scaling members by a
    scales the mean by a and the penalty by a squared: standardise them first.
    """

    weight: NonNegative = 0.5
    unbiased: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, member_KN: Tensor) -> Tensor:
        mean_N = member_KN.nanmean(0)
        free_N = torch.isfinite(member_KN).sum(0) - int(self.unbiased)
        variance_N = (member_KN - mean_N).square().nansum(0) / free_N.clamp_min(1)
        return mean_N - self.weight * variance_N


@dataclass(frozen=True)
class Ensemble:
    """The reward's parts as members of an ensemble, aggregated in place of the total.

    ``members`` names the parts (empty = all). ``moments`` gives a member's mean and standard
    deviation on held-out answers, by which it is standardised first; else the one with the
    largest scale decides. A member that is not finite in a row is left out there; a row where
    none is finite becomes invalid. Raises ValueError for a part the reward lacks, and for
    placed scores.
    """

    name: ClassVar[str] = "ensemble"

    members: tuple[str, ...] = ()
    """The parts that are members; empty: all."""
    aggregate: Aggregate = MeanMember()
    """How they become one number."""
    moments: Mapping[str, tuple[Finite, Positive]] = field(default_factory=dict)
    """A member's mean and standard deviation, by which it is standardised first."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        standardised = []
        for name, part_N in parts_of(self, scores, self.members).items():
            mean, std = self.moments.get(name, (0.0, 1.0))
            # In float64: squares and sums of float32 scores need not be float32.
            part_N = torch.where(torch.isfinite(part_N), part_N, math.nan).double()
            standardised.append((part_N - mean) / std)
        return scores.map(lambda _: self.aggregate(torch.stack(standardised)))

    @classmethod
    def example(cls) -> Ensemble:
        return cls(("a", "b"), MeanLessVariance(0.5), {"a": (0.1, 2.0)})
