"""GRPO: group-relative advantages with a clipped surrogate, the default recipe.

Paper: DeepSeekMath (2402.03300). What it adds over PPO: no value model; a completion is
compared with the others of its group. The run: the seedling on two-digit arithmetic.

Left out: the KL term (as most do today; set ``objective.kl`` and a reference to have it), the
paper's reward model and its retraining between rounds, rewards for steps (`StepRewards` has
them), and the paper's mathematics.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import AnswerMatch
from guerdon.rollout import Groups
from guerdon.tasks import Arithmetic
from guerdon.training import AdamW, Loop, PolicyRecipe

SLUG = "grpo"
PAPER = Paper(
    "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models",
    "2402.03300",
)


def build(**overrides: Any) -> PolicyRecipe:
    """The main job: the seedling learns arithmetic from whether its answer is right."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=Arithmetic(operations=("addition", "subtraction")),
        reward=AnswerMatch(),
        advantage=GroupNormalised(),
        objective=ClippedSurrogate(),
        sampler=Groups(8),
        optimiser=AdamW(lr=3e-4, warmup=5),
        loop=Loop(steps=60, groups=16),
    )
    return replace(recipe, **overrides)
