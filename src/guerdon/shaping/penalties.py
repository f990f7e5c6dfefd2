"""What is taken off a score: divergence from the reference, and length beyond a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.records import INVALID, Progress, Rollouts, Scores
from guerdon.shaping.linear import add_to_rows


def log_ratio(logp: Tensor, reference: Tensor) -> Tensor:
    """``logp - reference`` (the k1 estimate of KL), clamped to +-20."""
    return (logp - reference).clamp(-20.0, 20.0)


@dataclass(frozen=True)
class KLPenalty:
    """``r_t - coefficient * k_t`` on every acted position, k from sampling-time log-probs.

    With ``log_ratio`` (k1) in the reward the policy gradient has the gradient of
    KL(pi || reference) (2203.02155, eq. 2). ``estimator`` is any function of
    ``(logp_NT, reference_NT)``. The value's own reward sits on the last acted position; part
    "kl_penalty" float[N] is what was taken off. Only an advantage that reads positions
    (`ReturnToGo`, `ReinforcePlusPlus`, `GAE`) credits it per token; the others see its sum.
    Raises ValueError without ``rollouts.reference_logps``.
    """

    coefficient: float = 0.001
    estimator: Callable[[Tensor, Tensor], Tensor] = log_ratio

    needs_reference: ClassVar[bool] = True

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if rollouts.reference_logps is None:
            raise ValueError(
                "KLPenalty needs reference_logps in the rollouts; set recipe.reference to "
                "FixedReference()"
            )
        estimate_NT = self.estimator(rollouts.behaviour_logps, rollouts.reference_logps).detach()
        use_NT = rollouts.mask & scores.valid[:, None]
        taken_NT = torch.where(use_NT, -self.coefficient * estimate_NT, 0.0).float()
        taken_N = taken_NT.sum(1)
        return replace(
            scores,
            value=scores.value + taken_N,
            parts={**scores.parts, "kl_penalty": torch.where(scores.valid, taken_N, INVALID)},
            placed=scores.at_positions(rollouts.mask) + taken_NT,
        )


@dataclass(frozen=True)
class OverlongPenalty:
    """A ramp on the last ``buffer`` tokens before ``limit``: DAPO (2503.14476, eq. 13).

    With L acted tokens: 0 while ``L <= limit - buffer``, then
    ``-factor (L - (limit - buffer)) / buffer``. ``floored`` stops it at ``-factor`` (the paper
    and TRL); without, it goes on falling beyond the limit (verl). ``buffer`` 0 is a step at
    the limit. Part "overlong" float[N]. Raises ValueError unless ``0 <= buffer <= limit``.
    """

    limit: int = 20480
    buffer: int = 4096
    factor: float = 1.0
    floored: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.buffer <= self.limit:
            raise ValueError(
                f"OverlongPenalty.buffer is {self.buffer}; it must lie between 0 and limit "
                f"({self.limit})"
            )

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        excess_N = rollouts.mask.sum(1) - (self.limit - self.buffer)
        share_N = excess_N.clamp_min(0) / max(self.buffer, 1)
        if self.floored:
            share_N = share_N.clamp_max(1.0)
        return add_to_rows(scores, rollouts, -self.factor * share_N, "overlong")
