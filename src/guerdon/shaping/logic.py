"""Several rewards as one statement: the log-probability that it holds (2402.00742).

A reward on the Bradley-Terry scale makes a completion *good* with probability
``sigmoid(r - reference)``. Statements are combined as if independent given the completion.
Each is a pair ``(log p, log(1 - p))``, so that neither end loses precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from guerdon.ranges import Positive, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.named import part_of
from guerdon.shaping.references import ColumnReferences, References

Odds = tuple[Tensor, Tensor]
"""float[N] log p and float[N] log(1 - p)."""


class Statement(Protocol):
    """How probable it is that a completion has some property."""

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Odds: ...


@dataclass(frozen=True)
class Good:
    """The completion beats a reference in ``component`` ("" = the total).

    ``p = mean_j sigmoid(r - reference_j)``; with one reference this is LSC. A task without
    references gets ``sigmoid(r)``. Raises ValueError for a part that the reward lacks.
    """

    component: str = ""
    references: References = ColumnReferences()

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Odds:
        value_N = part_of(self, scores, self.component).double()
        reference_NM = self.references(rollouts)[rollouts.group].double()
        # One more column: a reference of 0 for tasks that have none, nothing for the others.
        none_N1 = ~torch.isfinite(reference_NM).any(1, keepdim=True)
        reference_NM = torch.cat([reference_NM, torch.where(none_N1, 0.0, math.nan)], dim=1)
        known_NM = torch.isfinite(reference_NM)
        gap_NM = value_N[:, None] - torch.where(known_NM, reference_NM, 0.0)
        good_N, bad_N = (
            torch.where(known_NM, torch.nn.functional.logsigmoid(sign * gap_NM), -math.inf)
            .logsumexp(1)
            .sub(known_NM.sum(1).log())
            for sign in (1, -1)
        )
        return good_N, bad_N


@dataclass(frozen=True)
class Not:
    """The statement does not hold."""

    statement: Statement

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Odds:
        holds_N, fails_N = self.statement(scores, rollouts)
        return fails_N, holds_N


@dataclass(frozen=True)
class Weighted:
    """The statement with probability ``p ** weight``: below 1 it counts for less in an `And`."""

    statement: Statement
    weight: Positive = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Odds:
        holds_N, fails_N = self.statement(scores, rollouts)
        powered_N = self.weight * holds_N
        # Near p = 1 the log of 1 - p ** w is that of w (1 - p), long after p has rounded to 1.
        near_N = fails_N + math.log(self.weight)
        far_N = torch.log1p(-powered_N.clamp_max(-1e-6).exp())
        return powered_N, torch.where(powered_N > -1e-3, near_N, far_N)


@dataclass(frozen=True)
class And:
    """All statements hold: ``sum_i log p_i``. Of none: certain, log-probability 0."""

    statements: tuple[Statement, ...] = ()

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Odds:
        holds_N = torch.zeros(len(scores))
        # 1 - p1 p2 ... = (1 - p1) + p1 (1 - p2) + ...: a sum without cancellation.
        fails_N = torch.full((len(scores),), -math.inf)
        for statement in self.statements:
            holds, fails = statement(scores, rollouts)
            fails_N = torch.logaddexp(fails_N, holds_N + fails)
            holds_N = holds_N + holds
        return holds_N, fails_N


@dataclass(frozen=True)
class Or:
    """At least one statement holds: ``log(1 - prod_i (1 - p_i))``. Needs a statement."""

    statements: tuple[Statement, ...]

    def __post_init__(self) -> None:
        if not self.statements:
            raise ValueError("Or needs at least one statement; of none, none can hold")

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Odds:
        return Not(And(tuple(Not(s) for s in self.statements)))(scores, rollouts)


@dataclass(frozen=True)
class LogProbability:
    """The log-probability of a statement about the reward's parts, as the new total.

    Sums of raw rewards trade one property for another; this prefers balance, and saturates
    where a property is already good. Parts must be calibrated log-odds. A row where the
    statement needs a part that is not finite becomes invalid. Raises ValueError for placed
    scores.
    """

    name: ClassVar[str] = "log-probability"

    statement: Statement = Good()
    """What is to be true of the parts."""

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        return scores.map(lambda _: self.statement(scores, rollouts)[0])

    @classmethod
    def example(cls) -> LogProbability:
        either = Or((Good("b"), Not(Good("a"))))
        return cls(And((Good("a"), either, Weighted(Good(), 0.5))))
