"""Mixed-R1: each kind of task has its reward, open answers too, on one scale.

Paper: Mixed-R1 (2505.24164). Changed against GRPO: a task's kind picks its reward (`Router`):
matching for choices, relaxed accuracy for charts, IoU for boxes and, for open answers, BMAS
(`TokenSimilarity`), the best cosine of every token in both directions over a frozen table of
input embeddings; plus 1 for the form. The real run has the text forms of the tasks on the seedling,
which writes a thinking section for sums and choices alone, and its own embeddings.

Left out: images, the data engine that filters 45,000 tasks by how much their rewards vary, and
tasks of yes or no in the run (`YesNo` judges them).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import (
    BoxReward,
    ChartAnswer,
    ChoiceCredit,
    FormatReward,
    Gate,
    Router,
    StaticEmbeddings,
    Tagged,
    TokenSimilarity,
    WeightedSum,
    YesNo,
)
from guerdon.rollout import Groups
from guerdon.stages import Reward
from guerdon.tasks import four_kinds
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "mixed-r1"
PAPER = Paper(
    "Mixed-R1: Unified Reward Perspective For Reasoning Capability in Multimodal Large Language "
    "Models",
    "2505.24164",
)
ANSWERS = FormatReward(("answer",), strict=False)
"""There is an answer section: what stands outside of it earns nothing."""


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling on four kinds of tasks, each with its reward."""
    rewards: dict[str, Reward] = {
        "chart": ChartAnswer(),
        "mcq": ChoiceCredit(extract=(Tagged(),)),
        "yes_no": YesNo(extract=(Tagged(),)),
        "grounding": BoxReward(),
        "open": Gate(ANSWERS, TokenSimilarity(StaticEmbeddings("seedling"))),
    }
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=four_kinds(sums="chart", choices="mcq", boxes="grounding", facts="open"),
        reward=WeightedSum({"task": Router(rewards), "form": FormatReward()}),
        objective=ClippedSurrogate(kl=KL(0.04)),
        reference=FixedReference(),
        sampler=Groups(8),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
