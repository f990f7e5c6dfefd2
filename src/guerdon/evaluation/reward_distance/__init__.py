"""How far two rewards of one process are apart (STARC and its relatives), exactly.

A distance is made of three parts: a canonicalisation, which removes what can't change the order
of policies; a norm, by which the rest is scaled; and a norm of the difference.
"""

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

CANONICAL = {
    "none": Plain(),
    "epic": Epic(),
    "dard": Dard(),
    "val": ValueLevelled(),
    "val-potential": ValuePotential(),
    "minimal": MinimalReward(),
    "minimal-potential": MinimalPotential(),
}
"""Canonicalisations by name, with their defaults."""

__all__ = [
    "CANONICAL",
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
