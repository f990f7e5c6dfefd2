"""VLAA-Thinker: one reward for perception and reasoning, and what imitation before RL costs.

Paper: SFT or RL? (2504.11468). Changed against GRPO: a task's kind picks its reward (`Router`), all
in [0, 1] and without a term for form, since an answer out of its section is worth 0; an open
answer is paid for beating the reference under a reward model (`AboveReference`). Groups of 4,
temperature 0.8. Left out: images and the data pipeline, the adaptive KL coefficient (it is fixed),
and a reward model: the real run has boxes, choices and sums in words, and BLEU (times 10) for
facts, whose reference is the bare value; the seedling, which states facts without a section, earns
nothing for them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.rewards import (
    AnswerMatch,
    BoxReward,
    ChoiceCredit,
    FormatReward,
    Gate,
    Router,
    Tagged,
    WeightedSum,
)
from guerdon.rewards.models.above_reference import AboveReference
from guerdon.rewards.text.overlap import ReferenceBLEU
from guerdon.rollout import Groups
from guerdon.stages import Reward, Sampling
from guerdon.tasks import four_kinds
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "vlaa-thinker"
PAPER = Paper(
    "SFT or RL? An Early Investigation into Training R1-Like Reasoning Large Vision-Language "
    "Models",
    "2504.11468",
)
ANSWERS = FormatReward(("answer",), strict=False)
"""There is an answer section: what stands outside of it earns nothing."""


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling on four kinds of tasks, each with its reward."""
    bleu = WeightedSum({"bleu": ReferenceBLEU()}, {"bleu": 10})
    rewards: dict[str, Reward] = {
        "math": AnswerMatch(extract=(Tagged(),)),
        "mcq": ChoiceCredit(extract=(Tagged(),)),
        "iou": BoxReward(),
        "open": Gate(ANSWERS, AboveReference(bleu)),
    }
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=four_kinds(sums="math", choices="mcq", boxes="iou", facts="open"),
        reward=Router(rewards),
        objective=ClippedSurrogate(kl=KL(1e-3)),
        reference=FixedReference(),
        sampler=Groups(4, Sampling(temperature=0.8)),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
