"""Multi-objective GRPO: one reward of several regressed aspects, combined linearly.

Paper: Optimizing Safe and Aligned Language Generation: A Multi-Objective GRPO Approach
(2503.21819). Changed against GRPO: a reward model predicts politeness, meaningfulness,
actionability and safety, and `WeightedParts` weighs them. `NormalisedSum` standardises each in
the group first, `GatedSum` and `WorstPart` are the strict forms.

Left out: the language reward model, its labels by a judge and its adversarial prompts (the real run
combines a right answer and form), and the PPO and DPO arms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import AnswerMatch, FormatReward, WeightedSum
from guerdon.rollout import Groups
from guerdon.shaping import WeightedParts
from guerdon.tasks import Arithmetic
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "mo-grpo"
TITLE = "Optimizing Safe and Aligned Language Generation: A Multi-Objective GRPO Approach"
PAPER = Paper(TITLE, "2503.21819")


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling's answers should be right and in form."""
    judged = WeightedSum({"right": AnswerMatch(), "form": FormatReward()})
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=Arithmetic(operations=("addition", "subtraction")),
        reward=judged,
        shaping=(WeightedParts(dict.fromkeys(judged.rewards, 1 / 2)),),
        objective=ClippedSurrogate(kl=KL(0.04)),
        reference=FixedReference(),
        sampler=Groups(8),
        optimiser=AdamW(lr=1e-4, warmup=5),
        loop=Loop(steps=60, groups=16),
    )
    return replace(recipe, **overrides)
