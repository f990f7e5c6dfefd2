"""Exact answers for Markov decision processes that fit into a table, in float64."""

from guerdon.mdp.made import from_gymnasium, random_mdp
from guerdon.mdp.process import MDP
from guerdon.mdp.solving import (
    Optimum,
    evaluate,
    is_trivial,
    occupancy,
    optimal,
    q_values,
    regret,
    uniform,
    value,
)

__all__ = [
    "MDP",
    "Optimum",
    "evaluate",
    "from_gymnasium",
    "is_trivial",
    "occupancy",
    "optimal",
    "q_values",
    "random_mdp",
    "regret",
    "uniform",
    "value",
]
