"""Preference as reward: the reward model's own probability that an answer beats a reference.

Paper: Reward Shaping to Mitigate Reward Hacking in RLHF (2502.18770). Changed against GRPO: the
reward passes through `Transform`, the mean of ``sigmoid(r - reference)`` over rewards of the
starting policy's own answers, scored once; so it is bounded, centred and steepest at the
reference. The paper's other shapers stand beside it: `Clamp` (ceiling), `RunningStandardise`,
`RunningClip`, `RunningMinMax`, other curves, `LengthPenalty` (laid before any of them).
The real run's reward is BLEU, hence a steepness of 10.

Left out: a reward model in the real run, and the baselines that change one (Reg, ODIN, WARM); PPO
with a critic and its buffer of batches, ReMax, and the variants of DPO and KTO that sample; the
judge whose win rate shows hacking.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.recipes import Paper
from guerdon.rewards import ReferenceBLEU
from guerdon.rollout import Groups
from guerdon.shaping import Transform
from guerdon.shaping.curves import Sigmoid
from guerdon.shaping.references import WithReferences
from guerdon.stages import Sampling
from guerdon.tasks import FactQuestions, PreparedTasks
from guerdon.training import AdamW, Loop, PolicyRecipe

SLUG = "par"
PAPER = Paper("Reward Shaping to Mitigate Reward Hacking in RLHF", "2502.18770")


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling answers questions about a table, paid for beating itself."""
    draws = Sampling(temperature=0.9, top_p=0.9, top_k=50)
    tasks = FactQuestions(train=512)
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=PreparedTasks(tasks, WithReferences(ReferenceBLEU(), 10, draws)),
        reward=ReferenceBLEU(),
        shaping=(Transform(Sigmoid(steepness=10.0)),),
        sampler=Groups(8),
        optimiser=AdamW(lr=1e-4, warmup=5),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
