"""What a policy's own distributions say of the tokens that it acted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.records import Progress, Rollouts, Scores

_READS_NO_TEXT = (
    "it reads the policy's distributions over the sampled tokens, not the text; `self-certainty` "
    "reads a frozen model's"
)


@dataclass(frozen=True)
class PolicyEntropy:
    """Mean entropy of the policy's distributions over a completion's acted tokens, in nats.

    Of the policy that is trained, as it is when it samples: the loop writes it into the rollouts.
    Value and part "entropy": float[N] from 0; 0 where nothing was acted. Raises ValueError for
    rollouts without it, such as saved completions.
    """

    name: ClassVar[str] = "policy-entropy"
    made_of: ClassVar[str] = "a run's policy"
    no_example: ClassVar[str] = _READS_NO_TEXT

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    needs: ClassVar[frozenset[str]] = frozenset({"entropy"})

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        value_N = _mean_over_actions(rollouts, rollouts.entropy, "entropy")
        return Scores(value_N, {"entropy": value_N})


@dataclass(frozen=True)
class PolicyConfidence:
    """How far the policy is from wavering: ``-mean log p`` of its likeliest tokens, per position.

    ``C_t = -(1/K) sum_k log p_k`` over the K likeliest tokens (DeepConf, arXiv 2508.15260: K is
    20), averaged over a completion's acted tokens: log K where these K share all, and the larger
    the more the first one has. Computed as in `PolicyEntropy`. Value and part "confidence":
    float[N] from 0; 0 where nothing was acted. Impossible tokens count as they are: a row with
    one among the K is invalid.
    """

    name: ClassVar[str] = "policy-confidence"
    made_of: ClassVar[str] = "a run's policy"
    no_example: ClassVar[str] = _READS_NO_TEXT

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    needs: ClassVar[frozenset[str]] = frozenset({"largest"})

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        surprise_NT = None if rollouts.largest is None else -rollouts.largest.mean(-1)
        value_N = _mean_over_actions(rollouts, surprise_NT, "largest")
        return Scores(value_N, {"confidence": value_N})


def _mean_over_actions(rollouts: Rollouts, told_NT: Tensor | None, need: str) -> Tensor:
    """float[N]: the mean over a row's acted positions, 0 where there is none."""
    if told_NT is None:
        raise ValueError(f"the rollouts hold no {need} of the policy: it is known in a run alone")
    total_N = torch.where(rollouts.mask, told_NT, 0.0).sum(1)
    return (total_N / rollouts.mask.sum(1).clamp(min=1)).clamp(min=0).float()
