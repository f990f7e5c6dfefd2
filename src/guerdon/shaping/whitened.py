"""Rewards of a batch brought to one spread, before any baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from guerdon.records import Progress, Rollouts, Scores


@dataclass(frozen=True)
class WhitenedRewards:
    """``r / std`` of a batch, or ``(r - mean) / std`` with ``shifted``: reward whitening of PPO.

    Mean and std are over the totals of valid rows, or over all acted positions of valid rows where
    rewards are placed; the variance is the population's, plus 1e-8 (fine-grained RLHF, 2306.01693).
    Without any spread the std counts as 1. Parts stay as they are.
    """

    name: ClassVar[str] = "whitened-rewards"

    scope: ClassVar[str] = "batch"

    shifted: bool = False
    """Whether the mean is taken off too."""

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if scores.placed is None:
            mean, std = self._moments(scores.value[scores.valid])
            return scores.map(lambda value_N: (value_N.double() - mean) / std)
        use_NT = rollouts.mask & scores.valid[:, None]
        placed_NT = scores.at_positions(rollouts.mask).double()
        mean, std = self._moments(placed_NT[use_NT])
        placed_NT = torch.where(use_NT, placed_NT - mean, placed_NT) / std
        return replace(scores, value=placed_NT.sum(1), placed=placed_NT.float())

    def _moments(self, kept: torch.Tensor) -> tuple[float, float]:
        """What is taken off, and what it is divided by."""
        kept = kept.double()
        if not len(kept):
            return 0.0, 1.0
        variance = float(kept.var(unbiased=False))
        mean = float(kept.mean()) if self.shifted else 0.0
        return mean, (variance + 1e-8) ** 0.5 if variance > 0 else 1.0

    @classmethod
    def example(cls) -> WhitenedRewards:
        return cls(shifted=True)
