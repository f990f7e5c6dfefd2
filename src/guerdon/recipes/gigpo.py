"""GiGPO: steps taken from the same state are compared, besides whole episodes.

Paper: Group-in-Group Policy Optimization (2505.10978). Changed against GRPO: the advantage
`TwoLevel` adds to the episode's group advantage that of each step among the steps of its group
that began in the same state, by discounted return; an invalid action costs 0.1 in both.

Left out: ALFWorld, WebShop, Sokoban, search and thinking prompts: the real run walks a text grid,
where states repeat (`Similar` clusters those that do not), in rows of whole episodes
(`TwoLevel.of_calls` credits one row per call).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.advantages import TwoLevel
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import Groups
from guerdon.stages import Sampling
from guerdon.tasks import GridTasks
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "gigpo"
PAPER = Paper("Group-in-Group Policy Optimization for LLM Agent Training", "2505.10978")


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling walks from start to goal on 4x4 boards."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=GridTasks(size=4, train=96, test=24),
        reward=EnvironmentReturn(),
        advantage=TwoLevel(discount=0.95, omega=1.0),
        objective=ClippedSurrogate(kl=KL(0.01)),
        reference=FixedReference(),
        sampler=Groups(8, Sampling(max_turns=8, max_turn_tokens=6)),
        evaluation_sampling=Sampling(temperature=0.4, max_turns=8, max_turn_tokens=6),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=30, groups=4),
    )
    return replace(recipe, **overrides)
