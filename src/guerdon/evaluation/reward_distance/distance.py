"""Distances between standardised rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from guerdon.evaluation.reward_distance.canonical import ValueLevelled, full
from guerdon.evaluation.reward_distance.norms import Norm
from guerdon.mdp import MDP
from guerdon.mdp.process import Floats

TRIVIAL = 1e-10
"""A canonical reward this small beside the reward itself is rounding, and counts as 0."""


@dataclass(frozen=True)
class StandardisedDistance:
    """``m(s(R1) - s(R2))`` with ``s(R) = c(R) / n(c(R))``, and 0 where ``c(R)`` is 0.

    With n and m the same norm it lies in [0, 2], and ``d(R, -R)`` is 2. 0 says that both order all
    policies alike, where the canonicalisation removes all that leaves the order (`ValueLevelled`,
    `MinimalReward`); a reward under which all policies are equal has distance 1 to any other. The
    norm is taken of the difference: ``sqrt(2(1 - cos))`` is NaN by rounding. Distances of different
    processes can't be compared. Source: STARC, 2309.15257.

    Attributes:
        canonical: c, see `guerdon.evaluation.reward_distance.canonical`.
        norm: n.
        metric: m; None takes n.
    """

    canonical: Callable[[MDP, ArrayLike], Floats] = ValueLevelled()
    norm: Callable[[MDP, Floats], float] = Norm()
    metric: Callable[[MDP, Floats], float] | None = None

    def __call__(self, mdp: MDP, first: ArrayLike, second: ArrayLike) -> float:
        """The distance of two rewards ``[S, A]`` or ``[S, A, S]`` of ``mdp``, as a float."""
        return self.from_one(mdp, first, [second])[0]

    def standardised(self, mdp: MDP, reward: ArrayLike) -> Floats:
        """s(R), float64[S, A, S]."""
        levelled = self.canonical(mdp, reward)
        size, before = self.norm(mdp, levelled), self.norm(mdp, full(mdp, reward))
        if size <= TRIVIAL * before:
            return np.zeros_like(levelled)
        return levelled / size

    def from_one(self, mdp: MDP, first: ArrayLike, others: Sequence[ArrayLike]) -> list[float]:
        """The distances of ``others`` from ``first``, which is standardised once."""
        ready, metric = self.standardised(mdp, first), self.metric or self.norm
        return [metric(mdp, ready - self.standardised(mdp, other)) for other in others]

    def between(self, mdp: MDP, rewards: list[Floats]) -> Floats:
        """float64[R, R]: the distances of several rewards, each standardised once."""
        ready = [self.standardised(mdp, reward) for reward in rewards]
        metric = self.metric or self.norm
        found: Floats = np.zeros((len(ready), len(ready)))
        for i, j in product(range(len(ready)), repeat=2):
            if i < j:
                found[i, j] = found[j, i] = metric(mdp, ready[i] - ready[j])
        return found


def pearson_distance(first: Floats, second: Floats) -> float:
    """``sqrt((1 - ρ) / 2)`` in [0, 1], with ρ over all entries: EPIC's own distance.

    Computed as half the length of a difference of unit vectors. A constant table has no
    direction: its distance to another is ½, to another constant 0.
    """
    return float(np.linalg.norm(_unit(first) - _unit(second))) / 2


def _unit(table: Floats) -> Floats:
    centred: Floats = table - table.mean()
    length = float(np.linalg.norm(centred))
    if length <= TRIVIAL * float(np.linalg.norm(table)):
        return np.zeros_like(centred)
    return centred / length
