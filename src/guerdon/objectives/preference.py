"""Preference objectives: a loss from summed log-probs of chosen and rejected completions.

``delta = (chosen - ref_chosen) - (rejected - ref_rejected)``, all float[N]. The reported
``margin`` and ``accuracy`` are of the implicit reward ``beta delta``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from guerdon.objectives.aggregation import TokenSum
from guerdon.ranges import Positive, Range, check_ranges
from guerdon.records import Experience, Loss, PolicyOutput
from guerdon.stages import Aggregation


@dataclass(frozen=True)
class DPO:
    """``-log sigmoid(beta delta)`` (2305.18290, eq. 7), with conservative label smoothing.

    Smoothing e: ``-(1 - e) log sigmoid(z) - e log sigmoid(-z)``.
    """

    beta: Positive = 0.1
    """How strongly the policy is held to the reference."""
    label_smoothing: Annotated[float, Range(0, 0.5, open_high=True)] = 0.0
    """The share of pairs whose label is taken to be wrong."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss:
        z = self.beta * _delta(chosen, rejected, ref_chosen, ref_rejected)
        e = self.label_smoothing
        return _loss(-(1 - e) * logsigmoid(z) - e * logsigmoid(-z), z)

    @classmethod
    def example(cls) -> DPO:
        return cls(0.2, 0.1)


@dataclass(frozen=True)
class IPO:
    """``(delta - 1 / (2 beta))^2`` (2310.12036, eq. 17)."""

    beta: Positive = 0.1
    """How strongly the policy is held to the reference."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss:
        delta = _delta(chosen, rejected, ref_chosen, ref_rejected)
        return _loss((delta - 1 / (2 * self.beta)) ** 2, self.beta * delta)

    @classmethod
    def example(cls) -> IPO:
        return cls(0.2)


@dataclass(frozen=True)
class Hinge:
    """``max(0, 1 - beta delta)`` (2309.06657)."""

    beta: Positive = 0.1
    """How strongly the policy is held to the reference."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss:
        z = self.beta * _delta(chosen, rejected, ref_chosen, ref_rejected)
        return _loss(relu(1 - z), z)

    @classmethod
    def example(cls) -> Hinge:
        return cls(0.2)


class PreferenceLoss(Protocol):
    """Summed log-probs [M] of chosen and rejected rows, now and under the reference."""

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss: ...


@dataclass(frozen=True)
class OnPairs:
    """A preference loss on the pairs of an `Experience`: DPO in the policy's loop.

    With the selection `BestAgainstWorst` it is iterative DPO: pairs are drawn from the policy that
    learns, and judged by the reward. The reference is the recipe's. A batch without a pair has a
    loss of 0. Raises ValueError where no pairs were selected, and for pairs with margins or
    weights, which these losses do not use.
    """

    loss: PreferenceLoss = field(default_factory=DPO)
    """The preference loss."""
    aggregation: Aggregation = field(default_factory=TokenSum)
    """Of no effect: the loss is a mean over pairs."""

    name: ClassVar[str] = "on-pairs"
    couples: ClassVar[str] = "pair"
    needs: ClassVar[frozenset[str]] = frozenset({"reference"})

    def __call__(
        self, now: PolicyOutput, experience: Experience, row_weight: Tensor | None = None
    ) -> Loss:
        rollouts, pairs = experience.rollouts, experience.pairs
        if pairs is None:
            raise ValueError(
                "there are no pairs to prefer in; set recipe.selection to one that makes pairs, "
                "such as BestAgainstWorst (--selection best-against-worst)"
            )
        if pairs.margin is not None or bool((pairs.weight != 1).any()):
            raise ValueError(f"{type(self.loss).__name__} uses no margins and no weights of pairs")
        if rollouts.reference_logps is None:
            raise ValueError("a preference needs the reference's log-probs, and there are none")
        if not len(pairs):
            return Loss(now.logps.sum() * 0.0)
        now_NT, before_NT = (
            torch.where(rollouts.mask, logp_NT, 0.0).double()  # sums of tokens, far from each other
            for logp_NT in (now.logps, rollouts.reference_logps)
        )
        sums = (logp_NT.sum(1) for logp_NT in (now_NT, before_NT))
        chosen_and_rejected = [(sum_N[pairs.chosen], sum_N[pairs.rejected]) for sum_N in sums]
        return self.loss(*chosen_and_rejected[0], *chosen_and_rejected[1])

    @classmethod
    def example(cls) -> OnPairs:
        return cls(IPO(0.2))


def _delta(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor) -> Tensor:
    return (chosen - ref_chosen) - (rejected - ref_rejected)


def _loss(loss_N: Tensor, margin_N: Tensor) -> Loss:
    margin = margin_N.detach()
    return Loss(
        loss_N.mean(),
        {"margin": float(margin.mean()), "accuracy": float((margin > 0).float().mean())},
    )
