"""Penalties laid over a reward: divergence from the reference, and length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.records import Progress, Rollouts, Scores


def log_ratio(logp: Tensor, reference: Tensor) -> Tensor:
    """``logp - reference`` within +-20: the k1 estimate of KL(pi || ref)."""
    return (logp - reference).clamp(-20, 20)


@dataclass(frozen=True)
class KLPenalty:
    """``r_t -= coefficient * estimate_t`` on every acted token, in ``placed``.

    In the reward (not the loss) this gives the gradient of KL(pi || ref) through the policy
    gradient. A reward without placement keeps its value on the row's last acted token. Needs
    a reference policy. Adds the part "kl_penalty".
    """

    coefficient: float = 0.001
    estimator: Callable[[Tensor, Tensor], Tensor] = log_ratio
    needs_reference: ClassVar[bool] = True

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if rollouts.reference_logps is None:
            raise ValueError("KLPenalty needs reference log-probs: set recipe.reference")
        estimate_NT = self.estimator(rollouts.behaviour_logps, rollouts.reference_logps)
        penalty_NT = torch.where(rollouts.mask, -self.coefficient * estimate_NT, 0.0)
        placed_NT = penalty_NT + (
            _at_the_end(scores, rollouts) if scores.placed is None else scores.placed
        )
        penalty_N = penalty_NT.sum(1)
        return replace(
            scores,
            value=scores.value + penalty_N,
            placed=placed_NT,
            parts={**scores.parts, "kl_penalty": penalty_N},
        )


@dataclass(frozen=True)
class OverlongPenalty:
    """DAPO's soft overlong punishment (2503.14476, eq. 13), added to the reward.

    0 up to ``limit - buffer`` tokens, then a line down to ``-factor`` at ``limit``; beyond it
    stays there, or goes on down with ``bounded=False`` (verl's form). Adds the part
    "overlong".
    """

    limit: int
    buffer: int
    factor: float = 1.0
    bounded: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.buffer <= self.limit:
            raise ValueError(
                f"OverlongPenalty needs 0 < buffer <= limit, got {self.buffer} and {self.limit}"
            )

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        over_N = (rollouts.mask.sum(1) - (self.limit - self.buffer)).clamp_min(0) / self.buffer
        if self.bounded:
            over_N = over_N.clamp_max(1)
        penalty_N = -self.factor * over_N
        shaped = scores.map(lambda value: value + penalty_N)
        return replace(shaped, parts={**scores.parts, "overlong": penalty_N})


@dataclass(frozen=True)
class Affine:
    """``scale * value + shift``; placed rewards are scaled, the shift needs an unplaced one."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if scores.placed is None:
            return scores.map(lambda value: self.scale * value + self.shift)
        if self.shift:
            raise ValueError("Affine.shift has no place among rewards placed at positions")
        return replace(scores, value=self.scale * scores.value, placed=self.scale * scores.placed)


def _at_the_end(scores: Scores, rollouts: Rollouts) -> Tensor:
    """float[N, T]: the value on the last acted token; 0 on invalid and empty rows."""
    position = torch.arange(rollouts.mask.shape[1]).expand_as(rollouts.mask)
    last_N1 = torch.where(rollouts.mask, position, -1).amax(1, keepdim=True)
    return torch.where(scores.valid[:, None] & (position == last_N1), scores.value[:, None], 0.0)
