r"""DianJin-R1: worked traces first, then GRPO with one reward for form and one for correctness.

Paper: DianJin-R1 (2504.15716). Changed against GRPO: a supervised stage on
``<think>...</think><answer>\boxed{BD}</answer>`` traces, then `DianjinReward` (the released
product of format and accuracy, or their sum as the paper words it), KL 0.001, temperature 0.6
and top-p 0.95.

Left out: building traces with large models and judges, the compliance dialogues, the FinQA judge
and the open-ended questions; the letters of five numbers divisible by k stand for multiple-answer
exam questions, and the seedling's corpus for the supervised stage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon import rewards
from guerdon.curriculum import Attainable
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rollout import Groups
from guerdon.stages import Sampling
from guerdon.tasks import MultiChoice, PreparedTasks
from guerdon.training import (
    AdamW,
    FixedReference,
    Loop,
    PolicyRecipe,
)

SLUG = "dianjin-r1"
PAPER = Paper(
    "DianJin-R1: Evaluating and Enhancing Financial Reasoning in Large Language Models",
    "2504.15716",
)
TASKS = MultiChoice()
FORM = rewards.FormatReward(strict=False, box_in="answer", may_be_empty=("think",))
"""What the run looks for before its first step: without it the product is 0 everywhere."""
GREEDY = Sampling(max_tokens=40, temperature=0.0)


def build(**overrides: Any) -> PolicyRecipe:
    """The second stage on the seedling, whose corpus held worked traces: the first stage."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=PreparedTasks(TASKS, Attainable(FORM)),
        reward=rewards.DianjinReward(combine=rewards.right_in_form),
        objective=ClippedSurrogate(kl=KL(0.001)),
        reference=FixedReference(),
        sampler=Groups(8, Sampling(max_tokens=40, temperature=0.6, top_p=0.95)),
        evaluation_sampling=GREEDY,
        optimiser=AdamW(lr=3e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
