"""Prefix Grouper: a group's prompt is computed once in training, with the same gradients.

Paper: Prefix Grouper (2506.05433). It changes no reward, advantage or loss, only how
log-probs and their gradients are computed, and here it is what every recipe does by default
(``model.shared_prefix``). This recipe is GRPO with groups of 16; the longer the prompts against
the completions, the more is saved.

Left out: FlashAttention kernels, padding within a row, and the other ways to the same numbers that
the report compares: two passes over a cache of keys and values, and prefixes that branch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.recipes import Paper
from guerdon.rollout import Groups
from guerdon.tasks import Arithmetic
from guerdon.training import AdamW, Loop, PolicyRecipe

SLUG = "prefix-grouper"
PAPER = Paper("Prefix Grouper: Efficient GRPO Training through Shared-Prefix Forward", "2506.05433")


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling on arithmetic, each prompt shared by 16 completions."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=Arithmetic(operations=("addition", "subtraction")),
        sampler=Groups(16),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=60, groups=8),
    )
    return replace(recipe, **overrides)
