"""How far two rewards of one process are apart (STARC and its relatives), exactly.

A distance is made of three parts: a canonicalisation, which removes what can't change the order
of policies; a norm, by which the rest is scaled; and a norm of the difference.
"""

from collections.abc import Callable, Mapping

from numpy.typing import ArrayLike

from guerdon.evaluation.reward_distance.canonical import (
    Dard,
    Epic,
    MinimalPotential,
    MinimalReward,
    Plain,
    ValueLevelled,
    ValuePotential,
)
from guerdon.evaluation.reward_distance.distance import StandardisedDistance, pearson_distance
from guerdon.evaluation.reward_distance.norms import Norm, WeightedNorm
from guerdon.mdp import MDP
from guerdon.mdp.process import Floats

CANONICAL: Mapping[str, Callable[[MDP, ArrayLike], Floats]] = {
    "none": Plain(),
    "epic": Epic(),
    "dard": Dard(),
    "val": ValueLevelled(),
    "val-potential": ValuePotential(),
    "minimal": MinimalReward(),
    "minimal-potential": MinimalPotential(),
}
"""Canonicalisations by name, with their defaults."""
NORMS: Mapping[str, Callable[[MDP, Floats], float]] = {
    "L1": Norm(1),
    "L2": Norm(2),
    "weighted L1": WeightedNorm(1),
    "weighted L2": WeightedNorm(2),
}
"""Norms by name."""

__all__ = [
    "CANONICAL",
    "NORMS",
    "Dard",
    "Epic",
    "MinimalPotential",
    "MinimalReward",
    "Norm",
    "Plain",
    "StandardisedDistance",
    "ValueLevelled",
    "ValuePotential",
    "WeightedNorm",
    "pearson_distance",
]
