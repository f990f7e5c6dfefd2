"""Clip and Delta: process rewards whose sum along a solution is bounded.

Paper: On Designing Effective RL Reward at Training Time for LLM Reasoning (2410.15115). Changed
against GRPO: scores of single steps are added to the outcome by `StepRewards`, clipped to
penalties and differenced, so that the return from a step is its own score and no step can be
farmed; credit is the return from each token, whitened (a constant baseline and a scale, which
leave the expected gradient's direction alone). `WrittenSteps` watches for steps that are farmed.

Left out: learned process and outcome reward models (a rule checks each written sum instead; its
separators are the seedling's own), the normalised process-reward baseline, KL and the critic of
PPO, and the paper's mathematics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from guerdon.advantages import ReinforcePlusPlus
from guerdon.monitors import WrittenSteps
from guerdon.nursery import load_seedling
from guerdon.parsing import sums_hold
from guerdon.recipes import Paper
from guerdon.records import Task
from guerdon.rewards import AnswerMatch
from guerdon.rollout import Groups
from guerdon.shaping import ScoredSteps, SeparatorEnds, StepRewards
from guerdon.tasks import Arithmetic
from guerdon.training import AdamW, Loop, PolicyRecipe

SLUG = "clip-delta"
PAPER = Paper("On Designing Effective RL Reward at Training Time for LLM Reasoning", "2410.15115")
GOOD = 0.95
POOR = 0.2


def checked(task: Task, steps: Sequence[str]) -> list[float]:
    """A process reward by rule: 0.95 for a step whose sums are what it says they are, else 0.2."""
    return [GOOD if sums_hold(step) else POOR for step in steps]


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling writes its sums out, and each written step is checked."""
    space = SeparatorEnds((load_seedling()[1].encode(" ")[0],))
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=Arithmetic(operations=("addition", "subtraction")),
        reward=AnswerMatch(),
        shaping=(StepRewards(ScoredSteps(checked, space), space),),
        advantage=ReinforcePlusPlus(),
        monitors=(WrittenSteps(" ", checked),),
        sampler=Groups(8),
        optimiser=AdamW(lr=1e-4, warmup=5),
        loop=Loop(steps=60, groups=16),
    )
    return replace(recipe, **overrides)
