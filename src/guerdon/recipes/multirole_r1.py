"""MultiRole-R1: several roles answer one question, and variety is a share of the reward.

Paper: Diversity-Enhanced Reasoning for Subjective Questions (2507.20187). Changed against GRPO: the
reward is ``0.9 accuracy + 0.1 D`` with the shaper `Diversity`, D the mean of eight measures of
wording; accuracy asks every role (`RoleAccuracy`). Groups that are all right then still differ,
and D alone, standardised, drives them. What is fine-tuned on before makes `RoleChains` of a
model's own samples. The real run is the seedling on questions about a table, right where its
sentence states the fact; it plays no roles.

Left out: in the real run, roles and the fine-tuning before; choosing three of the roles that a
model names by relevance and distance; subjective questions; the weighted aggregation of answers
that differ by role.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import FunctionReward
from guerdon.rollout import Groups
from guerdon.shaping import Diversity
from guerdon.tasks import FactQuestions, facts_right
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "multirole-r1"
PAPER = Paper("Diversity-Enhanced Reasoning for Subjective Questions", "2507.20187")


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling states facts from a table, in varied words."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=FactQuestions(),
        reward=FunctionReward(facts_right),
        shaping=(Diversity(keep=0.9),),
        objective=ClippedSurrogate(kl=KL(0.001)),
        reference=FixedReference(),
        sampler=Groups(8),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
