"""Shop-R1: a shopper's next action, scored level by level, the rare hard part paid most.

Paper: Shop-R1 (2507.17842). Changed against GRPO: `WebActionReward` (form, type, attributes, and
the text times a difficulty D). The paper's D is 1,000 under group-standardised advantages, which
cancel most of it (see the miniature): this recipe centres only, with D 10. The real run is the
text form: a tool call is read as a form that is filled in and submitted, the tool its name and the
parameters' values its text.

Left out: browser sessions and their pages, and so clicks and leaving; the fine-tuning before, on
rationales that a larger model writes; in the real run, the reward for certain rationales
(`Certainty` at 0.005, with `divergence_from_uniform`, or `divergence_per_word` as the paper has
it, which vanishes): the seedling writes none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.advantages import GroupNormalised, NoScale
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import WebActionReward
from guerdon.rewards.actions.web_action import CallsAsActions
from guerdon.tasks import ToolCalls
from guerdon.training import AdamW, FixedReference, PolicyRecipe

SLUG = "shop-r1"
PAPER = Paper(
    "Shop-R1: Rewarding LLMs to Simulate Human Behavior in Online Shopping via Reinforcement "
    "Learning",
    "2507.17842",
)


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling fills in forms."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=ToolCalls(),
        reward=CallsAsActions(WebActionReward(difficulty=10.0)),
        advantage=GroupNormalised(scale=NoScale()),
        objective=ClippedSurrogate(kl=KL(0.001)),
        reference=FixedReference(),
        optimiser=AdamW(lr=1e-4),
    )
    return replace(recipe, **overrides)
