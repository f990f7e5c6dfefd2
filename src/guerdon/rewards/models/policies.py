"""What a policy's own distributions say of the tokens that it acted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.ranges import PositiveInt, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.stages import Policy

_READS_NO_TEXT = (
    "it reads the policy's distributions over the sampled tokens, not the text; `self-certainty` "
    "reads a frozen model's"
)


@dataclass(frozen=True)
class PolicyEntropy:
    """Mean entropy of a policy's distributions over a completion's acted tokens, in nats.

    Computed on the rollouts' own tokens by ``policy.forward``, without gradient, in batches of
    ``batch`` rows. Value and part "entropy": float[N] from 0; 0 where nothing was acted.
    """

    name: ClassVar[str] = "policy-entropy"
    made_of: ClassVar[str] = "a policy"
    no_example: ClassVar[str] = _READS_NO_TEXT

    policy: Policy
    batch: PositiveInt = 16

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        value_N = _mean_over_actions(self.policy, rollouts, self.batch, "entropy")
        return Scores(value_N, {"entropy": value_N})


@dataclass(frozen=True)
class PolicyConfidence:
    """How far a policy is from wavering: ``-mean log p`` of its likeliest tokens, per position.

    ``C_t = -(1/K) sum_k log p_k`` over the K likeliest tokens (DeepConf, arXiv 2508.15260: K is
    20), averaged over a completion's acted tokens: log K where these K share all, and the larger
    the more the first one has. Computed as in `PolicyEntropy`. Value and part "confidence":
    float[N] from 0; 0 where nothing was acted. Impossible tokens count as they are: a row with
    one among the K is invalid.
    """

    name: ClassVar[str] = "policy-confidence"
    made_of: ClassVar[str] = "a policy"
    no_example: ClassVar[str] = _READS_NO_TEXT

    policy: Policy
    batch: PositiveInt = 16

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        value_N = _mean_over_actions(self.policy, rollouts, self.batch, "largest")
        return Scores(value_N, {"confidence": value_N})


def _mean_over_actions(policy: Policy, rollouts: Rollouts, batch: int, need: str) -> Tensor:
    """float[N], what the policy says by that name ("largest": its negative mean) per token."""
    means = [torch.zeros(0)]
    for rows in torch.arange(len(rollouts)).split(batch):
        some = rollouts.select(rows)
        with torch.no_grad():
            found = getattr(policy.forward(some, frozenset({need})), need)
        if found is None:
            raise ValueError(f"{type(policy).__name__} gives no {need}")
        told_NT = -found.mean(-1) if need == "largest" else found
        acted_NT = some.mask[:, : told_NT.shape[1]]
        total_N = torch.where(acted_NT, told_NT, 0.0).sum(1)
        means.append(total_N / acted_NT.sum(1).clamp(min=1))
    return torch.cat(means).clamp(min=0).float()
