"""VLAA-Thinker: one reward for perception and reasoning, and what imitation before RL costs.

Paper: SFT or RL? (2504.11468). Changed against GRPO: a task's kind picks its reward (`Router`), all
in [0, 1] and without a term for form, since an answer out of its section is worth 0; an open
answer is paid for beating the reference under a reward model (`AboveReference`). Groups of 4,
temperature 0.8, a KL coefficient that keeps the KL near 5e-4 (`Adaptive`). Of its data pipeline
there is the filter of rewritten traces (`LittleRewritten`). The real run has counts, sums, choices
and boxes in words, and BLEU (times 10) for facts, whose reference is the bare value; the seedling,
which states facts without a section, earns nothing for them.

Left out: images, and a reward model for open answers; of the data pipeline, captioning, rewriting
and verifying by models, and the split by signs of reflection; imitation before RL in the real run.
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
    CountReward,
    FormatReward,
    Gate,
    Router,
    Tagged,
    WeightedSum,
)
from guerdon.rewards.models.above_reference import AboveReference
from guerdon.rewards.text.overlap import ReferenceBLEU
from guerdon.rollout import Groups
from guerdon.schedules import Adaptive
from guerdon.stages import Reward, Sampling
from guerdon.tasks import Arithmetic, FactQuestions, MixedTasks, MultipleChoice, TextBoxes
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
    """The real run: the seedling on five kinds of tasks, each with its reward."""
    bleu = WeightedSum({"bleu": ReferenceBLEU()}, {"bleu": 10})
    sums = ("addition", "subtraction", "multiplication")
    kinds = {
        "digit": Arithmetic(operations=("two_steps",), train=512, test=128),
        "math": Arithmetic(operations=sums, train=512, test=128),
        "mcq": MultipleChoice(train=512, test=128),
        "iou": TextBoxes(train=512, test=128),
        "open": FactQuestions(train=512, test=128),
    }
    rewards: dict[str, Reward] = {
        "digit": CountReward(column=""),
        "math": AnswerMatch(extract=(Tagged(),)),
        "mcq": ChoiceCredit(extract=(Tagged(),)),
        "iou": BoxReward(),
        "open": Gate(ANSWERS, AboveReference(bleu)),
    }
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=MixedTasks(kinds),
        reward=Router(rewards),
        objective=ClippedSurrogate(kl=KL(Adaptive(1e-3, 5e-4, horizon=20.0))),
        reference=FixedReference(),
        sampler=Groups(4, Sampling(temperature=0.8)),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
