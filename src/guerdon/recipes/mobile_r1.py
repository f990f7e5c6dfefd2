"""Mobile-R1: steps first, then whole episodes in a live world.

Paper: Mobile-R1 (2506.20332). Changed against GRPO: three stages. First the form and the labelled
steps by imitation; then GRPO on single labelled steps with `MobileStepReward`; then GRPO on whole
episodes with one reward each, what the episode came to and its form (`WellFormedTurns`), so that
leaving the labelled path and coming back pays. The real run is the third stage: the seedling walks
on text grids, which it learned step by step; a turn that names no action is ill formed, and costs
0.1 besides.

Left out: phones and screenshots; the judge of trajectories (the world says whether the goal was
reached); the first two stages in the real run; the data set of wrong and corrected trajectories.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import EnvironmentReturn, WeightedSum, WellFormedTurns
from guerdon.rollout import Groups
from guerdon.stages import Sampling
from guerdon.tasks import GridTasks
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "mobile-r1"
PAPER = Paper(
    "Mobile-R1: Towards Interactive Reinforcement Learning for VLM-Based Mobile Agent via "
    "Task-Level Rewards",
    "2506.20332",
)


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: whole episodes of the seedling on 4x4 boards, one advantage each."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=GridTasks(size=4, reward=1.0, train=96, test=24),
        reward=WeightedSum({"goal": EnvironmentReturn(), "form": WellFormedTurns()}),
        objective=ClippedSurrogate(kl=KL(0.02)),
        reference=FixedReference(),
        sampler=Groups(8, Sampling(max_turns=8, max_turn_tokens=6)),
        evaluation_sampling=Sampling(temperature=0.4, max_turns=8, max_turn_tokens=6),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=30, groups=4),
    )
    return replace(recipe, **overrides)
