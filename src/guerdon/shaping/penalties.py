"""Penalties laid over a reward: divergence from the reference, and length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.overlong import SoftOverlong
from guerdon.ranges import Count, NonNegative, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.linear import add_to_rows


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

    name: ClassVar[str] = "kl-penalty"

    coefficient: NonNegative = 0.001
    """What a nat of the estimate costs."""
    estimator: Callable[[Tensor, Tensor], Tensor] = log_ratio
    """How the KL is estimated at a token."""
    needs: ClassVar[frozenset[str]] = frozenset({"reference"})
    reads_sampler: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if rollouts.reference_logps is None:
            raise ValueError("KLPenalty needs reference log-probs: set recipe.reference")
        estimate_NT = self.estimator(rollouts.behaviour_logps, rollouts.reference_logps)
        use_NT = rollouts.mask & scores.valid[:, None]
        penalty_NT = torch.where(use_NT, -self.coefficient * estimate_NT, 0.0)
        placed_NT = scores.at_positions(rollouts.mask) + penalty_NT
        penalty_N = penalty_NT.sum(1)
        return replace(
            scores,
            value=scores.value + penalty_N,
            placed=placed_NT,
            parts={**scores.parts, "kl_penalty": penalty_N},
        )

    @classmethod
    def example(cls) -> KLPenalty:
        return cls(0.1)

    @classmethod
    def trivial(cls) -> KLPenalty:
        return cls(0.0)


@dataclass(frozen=True)
class OverlongPenalty(SoftOverlong):
    """DAPO's soft overlong punishment, added to the reward; see `SoftOverlong`.

    Adds the part "overlong". `guerdon.rewards.OverlongReward` is the same as a reward.
    """

    name: ClassVar[str] = "overlong"

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        penalty_N = self.penalty(rollouts.mask.sum(1))
        shaped = add_to_rows(scores, rollouts, penalty_N)
        return replace(shaped, parts={**scores.parts, "overlong": penalty_N})

    @classmethod
    def example(cls) -> OverlongPenalty:
        return cls(4, 3)

    @classmethod
    def trivial(cls) -> OverlongPenalty:
        return cls(4, 3, factor=0.0)


@dataclass(frozen=True)
class LengthPenalty:
    """``r -= rate * max(0, tokens - free)``, without a bound; PAR's default (2502.18770).

    Laid over the reward before any transform there. Adds the part "length_penalty".
    """

    name: ClassVar[str] = "length-penalty"

    rate: NonNegative = 0.01
    """What a token costs."""
    free: Count = 300
    """Tokens that cost nothing."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        penalty_N = -self.rate * (rollouts.mask.sum(1) - self.free).clamp_min(0)
        shaped = add_to_rows(scores, rollouts, penalty_N)
        return replace(shaped, parts={**scores.parts, "length_penalty": penalty_N})

    @classmethod
    def example(cls) -> LengthPenalty:
        return cls(0.1, 1)

    @classmethod
    def trivial(cls) -> LengthPenalty:
        return cls(0.0)
