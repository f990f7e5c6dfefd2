"""Advantages that compare a completion with others of its group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from guerdon.advantages.spread import spread_over_tokens, whiten
from guerdon.groups import GroupStatistics, group_statistics, over, standardised
from guerdon.ranges import Finite, NonNegative, check_ranges
from guerdon.records import Experience


class Scale(Protocol):
    """What a centred reward is divided by: float64[N] from the group's and the batch's spread."""

    def __call__(
        self, statistics: GroupStatistics, centred_N: Tensor, valid_N: Tensor
    ) -> Tensor: ...


@dataclass(frozen=True)
class GroupStd:
    """The group's standard deviation plus ``epsilon``: GRPO (2402.03300)."""

    epsilon: NonNegative = 1e-6
    """Added to the standard deviation."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, statistics: GroupStatistics, centred_N: Tensor, valid_N: Tensor) -> Tensor:
        return statistics.std + self.epsilon


@dataclass(frozen=True)
class NoScale:
    """1: the mean is subtracted and nothing more, as in Dr. GRPO (2503.20783)."""

    def __call__(self, statistics: GroupStatistics, centred_N: Tensor, valid_N: Tensor) -> Tensor:
        return torch.ones_like(statistics.std)


@dataclass(frozen=True)
class BatchStd:
    """The standard deviation of all valid rewards of the batch plus ``epsilon``."""

    epsilon: NonNegative = 1e-6
    """Added to the standard deviation."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, statistics: GroupStatistics, centred_N: Tensor, valid_N: Tensor) -> Tensor:
        raw = (centred_N + statistics.mean)[valid_N]
        # As one group: its spread of nothing has a gradient, and equal values have none.
        batch = group_statistics(raw, torch.ones_like(raw).bool(), torch.zeros_like(raw).long())
        std = batch.std[0] if len(raw) else torch.zeros((), dtype=torch.float64)
        return (std + self.epsilon).expand_as(centred_N)


class Single(Protocol):
    """The advantage of a row that is alone in its group: float[N] from its reward."""

    def __call__(self, value_N: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class SingleZero:
    """0: with nothing to compare there is nothing to learn."""

    def __call__(self, value_N: Tensor) -> Tensor:
        return torch.zeros_like(value_N)


@dataclass(frozen=True)
class SingleRaw:
    """The reward itself, verl's behaviour (mean 0, std 1)."""

    def __call__(self, value_N: Tensor) -> Tensor:
        return value_N


@dataclass(frozen=True)
class GroupNormalised:
    """``A = (R - mean) / scale`` over the group's valid rows.

    Defaults are GRPO's (2402.03300, eq. 3): group standard deviation with ddof 1. An all-equal
    group gives 0; a group of one gives what ``single`` says; invalid rows give 0 and do not
    count. Invariant to a shift of all rewards; to their scale as well with `GroupStd` (up to
    epsilon). Reckoned in float64, with a gradient that is finite everywhere.
    """

    name: ClassVar[str] = "group-normalised"

    scale: Scale = field(default_factory=GroupStd)
    """What the centred reward is divided by."""
    unbiased: bool = True
    """Whether the spread is over count - 1 (else over count)."""
    single: Single = field(default_factory=SingleZero)
    """What a row that is alone in its group gets."""

    @property
    def scope(self) -> str:
        """What is compared: "group" where a row that is alone learns nothing."""
        return "completion" if self.single(torch.ones(1)).any() else "group"

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        value_N = torch.where(scores.valid, scores.value, 0.0)
        statistics = group_statistics(value_N, scores.valid, rollouts.group, self.unbiased)
        advantage_N = _normalised(value_N, scores.valid, statistics, self.scale, self.single)
        return spread_over_tokens(advantage_N, scores, rollouts)

    @classmethod
    def example(cls) -> GroupNormalised:
        return cls(scale=BatchStd(), unbiased=False)


def _normalised(
    value_N: Tensor, valid_N: Tensor, statistics: GroupStatistics, scale: Scale, single: Single
) -> Tensor:
    """float64[N]: ``(value - mean) / scale``; 0 in tied groups, ``single``'s where alone."""
    scale_N = scale(statistics, statistics.centred, valid_N)
    advantage_N = over(statistics.centred, torch.where(statistics.tied, 0.0, scale_N))
    return torch.where(statistics.count == 1, single(value_N).double(), advantage_N)


@dataclass(frozen=True)
class LeaveOneOut:
    """RLOO (2402.14740): ``R_i`` less the mean of the group's other valid rows; alone, 0."""

    name: ClassVar[str] = "leave-one-out"

    scope: ClassVar[str] = "group"

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        value_N = torch.where(scores.valid, scores.value, 0.0)
        statistics = group_statistics(value_N, scores.valid, rollouts.group)
        factor_N = statistics.count / (statistics.count - 1).clamp_min(1).double()
        advantage_N = torch.where(statistics.count > 1, factor_N * statistics.centred, 0.0)
        return spread_over_tokens(advantage_N, scores, rollouts)

    @classmethod
    def example(cls) -> LeaveOneOut:
        return cls()


@dataclass(frozen=True)
class LengthWeightedBaseline:
    """OPO (2505.23585): ``R_i - sum_j L_j R_j / sum_j L_j`` over the group's valid rows."""

    name: ClassVar[str] = "length-weighted-baseline"

    scope: ClassVar[str] = "group"

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        value_N = torch.where(scores.valid, scores.value, 0.0)
        length_N = rollouts.mask.sum(1).double() * scores.valid
        zeros = torch.zeros(len(rollouts.tasks), dtype=torch.float64)
        total = zeros.index_add(0, rollouts.group, length_N * value_N)
        weight = zeros.index_add(0, rollouts.group, length_N)
        baseline_N = (total / weight.clamp_min(1))[rollouts.group]
        return spread_over_tokens(value_N - baseline_N, scores, rollouts)

    @classmethod
    def example(cls) -> LengthWeightedBaseline:
        return cls()


@dataclass(frozen=True)
class NormalisedParts:
    """GDPO (2601.05242): each named part group-normalised, weighted, summed, then whitened.

    ``weights`` maps part names to weights; empty means every part with weight 1. Whitening is
    over the batch's valid rows; ``whitened=False`` leaves it out. A part that is not finite in a
    row, as in rows of a batch that lacks it, adds 0 there and does not count in its group.
    """

    name: ClassVar[str] = "normalised-parts"

    weights: dict[str, Finite] = field(default_factory=dict)
    """What each part counts; empty: every part counts 1."""
    epsilon: NonNegative = 1e-6
    """Added to each part's standard deviation."""
    whitened: bool = True
    """Whether the sum is whitened over the batch."""

    scope: ClassVar[str] = "group"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        weights = self.weights or dict.fromkeys(scores.parts, 1.0)
        missing = [name for name in weights if name not in scores.parts]
        if missing or not weights:
            raise ValueError(
                f"NormalisedParts needs the parts {sorted(weights)}, the reward has "
                f"{sorted(scores.parts)}"
            )
        total_N = torch.zeros(len(scores), dtype=torch.float64)
        for name, weight in weights.items():
            part_N = scores.parts[name]
            there_N = scores.valid & torch.isfinite(part_N)
            total_N = total_N + weight * standardised(part_N, there_N, rollouts.group, self.epsilon)
        if self.whitened:
            total_N = whiten(total_N, scores.valid)
        return spread_over_tokens(total_N, scores, rollouts)

    @classmethod
    def example(cls) -> NormalisedParts:
        return cls({"a": 1.0, "b": 0.5})
