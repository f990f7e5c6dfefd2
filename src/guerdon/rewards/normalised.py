"""A sum of rewards that are first put on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from guerdon.groups import standardised
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.compose import (
    UNBOUNDED,
    check_names,
    check_weights,
    joint_validity,
    refuse_placed,
    total,
)
from guerdon.stages import Reward


@dataclass(frozen=True)
class NormalisedSum:
    """``sum_k w_k z_k``: each reward standardised within the group first (GDPO, arXiv 2601.05242).

    ``z = (r - mean) / (std + epsilon)`` over a group's rows that are valid in every reward (std
    with ddof 1 unless ``unbiased`` is False), so that a reward on a large scale does not drown
    the others. With ``whiten`` the sum is standardised once more over all valid rows of the
    batch. A group of one and equal values give 0. Use it with an advantage that does not
    standardise again.

    Parts: ``w_k z_k`` float[N], whitened alike, so that they sum to the value. Raises
    ValueError for placed scores and for a weight without reward.
    """

    rewards: Mapping[str, Reward]
    weights: Mapping[str, float] = field(default_factory=dict)
    epsilon: float = 1e-4
    unbiased: bool = True
    whiten: bool = True

    def __post_init__(self) -> None:
        check_names(self, self.rewards)
        check_weights(self, self.rewards, self.weights)

    @property
    def scope(self) -> str:
        return "group"

    @property
    def range(self) -> tuple[float, float]:
        return UNBOUNDED

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        scores = {name: reward(rollouts, progress) for name, reward in self.rewards.items()}
        refuse_placed(self, scores)
        valid_N, reasons = joint_validity(scores, len(rollouts))
        parts = {
            name: self.weights.get(name, 1.0)
            * standardised(score.value, valid_N, rollouts.group, self.epsilon, self.unbiased)
            for name, score in scores.items()
        }
        if self.whiten:
            parts = self._whitened(parts, valid_N)
        return Scores(total(parts, len(rollouts)), parts, valid_N, tuple(reasons))

    def _whitened(self, parts: Mapping[str, Tensor], valid_N: Tensor) -> dict[str, Tensor]:
        value_M = total(parts, len(valid_N))[valid_N].double()
        if len(value_M) < 2:
            return dict(parts)
        std = torch.sqrt(value_M.var(unbiased=self.unbiased) + 1e-8)
        return {
            name: ((part.double() - part[valid_N].double().mean()) / std).float()
            for name, part in parts.items()
        }
