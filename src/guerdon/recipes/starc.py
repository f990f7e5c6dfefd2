"""STARC: how far two rewards are apart, in what they make an optimal policy lose.

Paper: STARC (2309.15257). It trains nothing and so is a recipe that evaluates: rewards of one
process are made canonical (`ValueLevelled`: the advantage of the uniform policy, which is blind to
potential shaping and to what a redistribution over the next states changes), brought to one size,
and compared by a norm of their difference. The run: FrozenLake's own reward against the same
shaped, redistributed, negated, and against a cost for every step. ``guerdon compare-rewards`` does
it with your tables.

Left out: continuous worlds, where values are learned and norms sampled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.recipes import Paper
from guerdon.training.comparison import RewardComparison

SLUG = "starc"
PAPER = Paper(
    "STARC: A General Framework For Quantifying Differences Between Reward Functions",
    "2309.15257",
)


def build(**overrides: Any) -> RewardComparison:
    """The real run: FrozenLake's reward and four others, under every canonicalisation."""
    return replace(RewardComparison(name=SLUG, world="FrozenLake-v1"), **overrides)
