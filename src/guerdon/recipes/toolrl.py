"""ToolRL: partial credit for tool names, parameter names and values, without any SFT before.

Paper: ToolRL (2504.13958). Changed against GRPO: `ToolReward` (form in [0, 1], correctness in
[-3, 3] with credit for each part of a call). Their other scales, schedules and granularities are
`smooth`, `two_stage` and the credits of `guerdon.rewards.actions.tool_calls`. The real run: the
seedling's tool calls, without the thinking section, which it does not write for them.

Left out: in the real run, dialogues, several calls a turn and answers in words (the reward has
them); the variant with PPO.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.recipes import Paper
from guerdon.rewards import ToolReward
from guerdon.tasks import ToolCalls
from guerdon.training import AdamW, PolicyRecipe

SLUG = "toolrl"
PAPER = Paper("ToolRL: Reward is All Tool Learning Needs", "2504.13958")


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling learns to call tools from graded correctness."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=ToolCalls(),
        reward=ToolReward(tag="tool", think=False, released=True),
        optimiser=AdamW(lr=1e-4),
    )
    return replace(recipe, **overrides)
