"""Gazal-R1: adapters whose scale suits their rank, and a reward of several parts.

Paper: Gazal-R1 (2506.21594; its weights and settings are unconfirmed). Changed against GRPO: the
model trains an adapter only (DoRA with the scale of rsLoRA), and the reward adds form (0.2), the
share of reasoning stages (0.2), a penalty for repetition (0.3) and accuracy that depends on length
(`CosineLength`) and counts only in form. The real run: choices among numbers on the seedling, right
where the box has the letter.

Left out: medicine, the supervised first stage on 107,000 cases of four kinds of reasoning, a judge
of the reasoning, and in the run the clinical stages, which the seedling does not write.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import (
    Boxed,
    ChoiceCredit,
    CosineLength,
    Gate,
    RepetitionPenalty,
    StageShare,
    ThoughtThenBox,
    WeightedSum,
)
from guerdon.rollout import Groups
from guerdon.stages import Reward
from guerdon.tasks import MultipleChoice
from guerdon.training import AdamW, AdapterOffReference, Loop, Model, PolicyRecipe

SLUG = "gazal-r1"
PAPER = Paper(
    "Gazal-R1: Achieving State-of-the-Art Medical Reasoning with Parameter-Efficient Two-Stage "
    "Training",
    "2506.21594",
)


def composite(stages: float = 0.2) -> WeightedSum:
    """The reward; ``stages`` weighs the reasoning stages, 0 leaves them out."""
    right = ChoiceCredit(extract=(Boxed(),))
    form = ThoughtThenBox()
    parts: dict[str, Reward] = {
        "accuracy": Gate(form, CosineLength(right, limit=64, exceeded=-0.5)),
        "form": form,
        "repetition": RepetitionPenalty(),
        "stages": StageShare(),
    }
    return WeightedSum(parts, {"form": 0.2, "repetition": 0.3, "stages": stages})


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: DoRA with rsLoRA's scale on the seedling, which chooses among numbers."""
    recipe = PolicyRecipe(
        name=SLUG,
        model=Model(adapter="rsdora", rank=8),
        tasks=MultipleChoice(),
        reward=composite(stages=0.0),
        objective=ClippedSurrogate(kl=KL(0.01)),
        reference=AdapterOffReference(),
        sampler=Groups(8),
        optimiser=AdamW(lr=5e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
