"""TimeMaster: form, the right class and, on top of the right class alone, a judged extension.

Paper: TimeMaster (2506.13705). Changed against GRPO: `LabelAndExtension`, 0.1 for a class of the
set, 0.9 for the right one and up to 0.5 for what the judge says of the extension, which is asked
about right answers only (`RepliedRating` reads a judge that replies in words). Groups of 5, KL
0.01. The real run has choices among numbers in words on the seedling, its letter as the class and
its thinking as the extension, which a rule rates: does it name the number of the letter?

Left out: plots of time series; the fine-tuning before; a language model as judge; macro-F1 over
held-out classes in the run's own figures (`guerdon.evaluation.macro_f1` reckons it).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.records import Task
from guerdon.rewards.answers.extension import LabelAndExtension
from guerdon.rollout import Groups
from guerdon.tasks import MultipleChoice
from guerdon.training import AdamW, FixedReference, Loop, PolicyRecipe

SLUG = "timemaster"
PAPER = Paper(
    "TimeMaster: Training Time-Series Multimodal LLMs to Reason via Reinforcement Learning",
    "2506.13705",
)


def names_the_number(task: Task, label: str, thought: str) -> float:
    """1 where the thinking is the number behind the chosen letter, else 0."""
    return float(thought == task.columns["choices"][label.upper()])


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling chooses, and is to think of what it chooses."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=MultipleChoice(),
        reward=LabelAndExtension(names_the_number, label="answer", extension="think"),
        objective=ClippedSurrogate(kl=KL(0.01)),
        reference=FixedReference(),
        sampler=Groups(5),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
