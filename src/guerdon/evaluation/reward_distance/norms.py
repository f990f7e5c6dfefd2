"""Norms of reward tables float64[S, A, S]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guerdon.mdp import MDP
from guerdon.mdp.process import Floats


@dataclass(frozen=True)
class Norm:
    """The Lp norm over all entries, those of impossible transitions included. ``p`` may be inf."""

    p: float = 2.0

    def __post_init__(self) -> None:
        if not self.p >= 1:
            raise ValueError(f"Norm.p is {self.p}; a norm needs at least 1")

    def __call__(self, mdp: MDP, reward_SAS: Floats) -> float:
        return _lp(reward_SAS, np.ones_like(reward_SAS), self.p)


@dataclass(frozen=True)
class WeightedNorm:
    """``(Σ τ(s' | s, a) |R(s, a, s')|^p)^(1/p)``: impossible transitions count nothing.

    With ``p`` inf: the largest entry among possible transitions.
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        if not self.p >= 1:
            raise ValueError(f"WeightedNorm.p is {self.p}; a norm needs at least 1")

    def __call__(self, mdp: MDP, reward_SAS: Floats) -> float:
        return _lp(reward_SAS, mdp.dense, self.p)


def _lp(reward: Floats, weight: Floats, p: float) -> float:
    size = np.abs(np.where(weight > 0, reward, 0.0))
    largest = float(size.max())
    if largest == 0 or np.isinf(p):
        return largest
    return largest * float((weight * (size / largest) ** p).sum() ** (1 / p))
