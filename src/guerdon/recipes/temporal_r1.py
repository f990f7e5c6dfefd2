"""Temporal-R1: a continuous reward for time, and training tasks on which the model wavers.

Paper: Reinforcement Learning Tuning for VideoLLMs (2506.01908). Changed against GRPO: the reward is
half form and half `IntervalReward`, the temporal IoU (whose templates for real videos are
`IntervalFormat`); training tasks are those whose rewards vary most over 8 rollouts of the model to
be trained, of which at least one is good (`ByVariance`).

Left out: videos (the real run has intervals described in words, and an answer section alone as its
form); questions with letters, and those that ask for a letter and a time; the entropy term.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.curriculum import ByVariance
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import FormatReward, IntervalReward, WeightedSum
from guerdon.rollout import Groups
from guerdon.tasks import PreparedTasks, TextIntervals
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "temporal-r1"
PAPER = Paper(
    "Reinforcement Learning Tuning for VideoLLMs: Reward Design and Data Efficiency", "2506.01908"
)


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling learns when events end, from the tasks it is unsure about."""
    overlap = IntervalReward()
    form = FormatReward(sections=("answer",))
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=PreparedTasks(TextIntervals(train=256), ByVariance(overlap, 128)),
        reward=WeightedSum({"overlap": overlap, "form": form}, {"overlap": 0.5, "form": 0.5}),
        objective=ClippedSurrogate(kl=KL(0.01)),
        reference=FixedReference(),
        sampler=Groups(8),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
