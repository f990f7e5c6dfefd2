"""Preferences between chains that started alike, each step a preference of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from guerdon.objectives.aggregation import SequenceSumMean
from guerdon.ranges import Positive, Range, check_ranges
from guerdon.records import Experience, Loss, PolicyOutput
from guerdon.stages import Aggregation


def step_preference(
    ratio_first: Tensor, ratio_second: Tensor, label: Tensor, beta: float, clamp: float | None
) -> Tensor:
    """``-log sigmoid(h beta log rho_1 - h beta log rho_2)``, D3PO's loss of one step.

    ``ratio_first`` and ``ratio_second`` are log-ratios to the reference; ``label`` h is 1 where the
    first is preferred, -1 where the second is, 0 for a tie (log 2, no gradient). Each ratio is
    held within ``1 ± clamp``: outside there is no gradient, not even on the way back.
    """
    if clamp is not None:
        low, high = math.log1p(-clamp), math.log1p(clamp)
        ratio_first, ratio_second = ratio_first.clamp(low, high), ratio_second.clamp(low, high)
    return -logsigmoid(label * beta * (ratio_first - ratio_second))


@dataclass(frozen=True)
class StepwiseDPO:
    """D3PO (2311.13231): the preferred chain is preferred at every step.

    The loss of a pair is the sum over its steps of `step_preference` of the two log-ratios to the
    reference; the batch's is the mean over pairs, by their weight. Steps that either chain did not
    act in are left out. Only which row of a pair is the better one enters, so no increasing change
    of a reward changes anything. Memory does not grow with the steps where the policy computes
    them apart. Margins of pairs are refused.

    A pair whose ratios left ``1 ± clamp`` is stuck: it has no gradient, also where it is on the
    wrong side. ``clamped`` in the log is the share of ratios there; a reference that is refreshed
    every round lets them go. None switches the clamp off.
    """

    beta: Positive = 0.1
    """How strongly the policy is held to the reference."""
    clamp: Annotated[float | None, Range(0, 1, open_low=True, open_high=True)] = 0.1
    """How far from 1 a ratio still has a gradient; null: everywhere."""
    aggregation: Aggregation = field(default_factory=SequenceSumMean)
    """Of no effect: the loss is a mean over pairs."""

    name: ClassVar[str] = "stepwise-dpo"
    couples: ClassVar[str] = "pair"
    needs: ClassVar[frozenset[str]] = frozenset({"reference"})

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, now: PolicyOutput, experience: Experience, row_weight: Tensor | None = None
    ) -> Loss:
        rollouts, pairs = experience.rollouts, experience.pairs
        if pairs is None:
            raise ValueError("StepwiseDPO learns from pairs: set a selection that makes them")
        if pairs.margin is not None:
            raise ValueError("StepwiseDPO has no use for margins: choose pairs without")
        if rollouts.reference_logps is None:
            raise ValueError("StepwiseDPO needs reference_logps: set recipe.reference")
        if not len(pairs):
            return Loss(now.logps.sum() * 0.0)
        mask_NT = rollouts.mask
        logp_NT = torch.where(mask_NT, now.logps, 0.0)
        ratio_NT = torch.where(mask_NT, logp_NT - rollouts.reference_logps, 0.0).double()
        first_MT, second_MT = ratio_NT[pairs.chosen], ratio_NT[pairs.rejected]
        use_MT = mask_NT[pairs.chosen] & mask_NT[pairs.rejected]
        label = torch.ones((), dtype=ratio_NT.dtype)
        loss_MT = step_preference(first_MT, second_MT, label, self.beta, self.clamp)
        share_M = (pairs.weight / pairs.weight.sum().clamp_min(1e-12)).to(ratio_NT.dtype)
        share_M1 = share_M[:, None]
        steps_M1 = use_MT.sum(1, keepdim=True).clamp_min(1)

        def mean(value_MT: Tensor) -> float:
            return float((torch.where(use_MT, value_MT, 0.0) / steps_M1 * share_M1).sum())

        gap_MT = (first_MT - second_MT).detach()
        right = mean(0.5 + 0.5 * gap_MT.sign())  # at the reference nothing is told: a half
        told = {
            "margin": self.beta * mean(gap_MT),
            "preference_accuracy": right,
        }
        if self.clamp is not None:
            low, high = math.log1p(-self.clamp), math.log1p(self.clamp)
            out = [
                ((r < low) | (r > high)).float() for r in (first_MT.detach(), second_MT.detach())
            ]
            told["clamped"] = 0.5 * mean(out[0] + out[1])
        return Loss((torch.where(use_MT, loss_MT, 0.0) * share_M1).sum(), told)

    @classmethod
    def example(cls) -> StepwiseDPO:
        return cls(clamp=0.9)
