"""Unlikeliness reward: among correct samples of a group, the likelier are paid less.

Paper: Rewarding the Unlikely (2506.02355). Changed against GRPO: the shaper `Unlikeliness`, two
epochs per batch, KL 0.1, groups without a contrast in the original reward resampled, and
updates with a gradient norm above 20 left out. The real run is arithmetic.

Left out: Lean proofs and their closing-fence rule; in the run, the buffer that carries samples over
steps until there are 256 (`GatheredRows`): sampling is repeated within the step instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.curriculum import Informative
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import AnswerMatch
from guerdon.rollout import Groups
from guerdon.shaping import Unlikeliness
from guerdon.tasks import Arithmetic
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "unlikeliness"
PAPER = Paper("Rewarding the Unlikely: Lifting GRPO Beyond Distribution Sharpening", "2506.02355")


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling on arithmetic, rare right answers paid more."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=Arithmetic(operations=("addition", "subtraction")),
        reward=AnswerMatch(),
        shaping=(Unlikeliness(beta=0.25),),
        filter=Informative(),
        objective=ClippedSurrogate(kl=KL(0.1)),
        reference=FixedReference(),
        sampler=Groups(16),
        optimiser=AdamW(lr=3e-4, skip_above=20.0),
        loop=Loop(steps=50, groups=8, epochs=2, resample=3),
    )
    return replace(recipe, **overrides)
