"""BLEUBERI: GRPO with sentence BLEU against references, on the prompts the model is worst at.

Paper: BLEUBERI (2505.11080). Changed against GRPO: the reward is `ReferenceBLEU`; the training
prompts are the N of a pool whose one sampled answer (temperature 0.7, top-p 0.9) scores lowest
under the model to be trained; temperature 0.9, gradient norm 0.2.

Left out: references from five large models (a paraphrase grammar writes them), the supervised
arm on the same prompts, the KL term, the mix with a reward model (`GroupZAverage` makes it, the
run does not), the reasoning format, human votes and the chat benchmarks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.curriculum import ByReward, Pick, hard
from guerdon.recipes import Paper
from guerdon.rewards import ReferenceBLEU
from guerdon.rollout import Groups
from guerdon.stages import Sampling
from guerdon.tasks import FactQuestions, PreparedTasks
from guerdon.training import AdamW, Loop, PolicyRecipe

SLUG = "bleuberi"
PAPER = Paper(
    "BLEUBERI: BLEU is a surprisingly effective reward for instruction following", "2505.11080"
)


def selected(source: FactQuestions, count: int, which: Pick = hard) -> PreparedTasks:
    """``count`` of the prompts, by the BLEU of one answer of the model to be trained."""
    return PreparedTasks(source, ByReward(ReferenceBLEU(), count, which))


def build(**overrides: Any) -> PolicyRecipe:
    """The seedling answers questions about a table; BLEU is all it hears."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=selected(FactQuestions(train=1024), 400),
        reward=ReferenceBLEU(),
        sampler=Groups(8, Sampling(temperature=0.9)),
        optimiser=AdamW(lr=3e-4, clip=0.2),
        loop=Loop(steps=50, groups=16),
    )
    return replace(recipe, **overrides)
