"""Fine-grained rewards: one for every kind of error, at the end of every segment it is found in.

Paper: Fine-Grained Human Feedback Gives Better Rewards (2306.01693). Changed against RLHF: not
one score at the end but several `SpanReward`s, each with segments of its own, placed where these
end and added up where ends coincide (the released code overwrites); a KL penalty per token in the
reward, which is whitened; PPO with GAE. The real run: the seedling's written sums; a new step pays
0.3 and a repeated one costs it, a right sum pays 0.5 and a wrong one costs it, the right answer
pays 0.3 at the end: rules stand for the three models.

Left out: learned reward models (`LabelledSpans` and `ScorerReward` read them, the run has rules),
people's marks on spans, long answers to questions, toxicity (`decrements` places it), a value
model of its own, and the end of training at a KL of 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from guerdon.advantages import GAE
from guerdon.objectives import PPO
from guerdon.parsing import sums_hold
from guerdon.recipes import Paper
from guerdon.records import Task
from guerdon.rewards import AnswerMatch, SpanReward, WeightedSum
from guerdon.rewards.models.spans import Decoded, word_ends
from guerdon.rollout import Groups
from guerdon.shaping import KLPenalty, WhitenedRewards
from guerdon.stages import Reward
from guerdon.training import AdamW, FixedReference, Loop, Model, PolicyRecipe

SLUG = "fine-grained-rlhf"
PAPER = Paper(
    "Fine-Grained Human Feedback Gives Better Rewards for Language Model Training", "2306.01693"
)


def right_sums(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    """0.5 for a step whose sums are what it says they are, else -0.5."""
    return [0.5 if sums_hold(span) else -0.5 for span in spans]


def new_steps(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    """0.3 for a step that was not written before, else -0.3."""
    steps = [span.strip() for span in spans]
    return [-0.3 if step in steps[:i] else 0.3 for i, step in enumerate(steps)]


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling's sums, judged step by step for two errors and once as a whole."""
    place = Decoded("seedling")
    new, right = (SpanReward(score, place, word_ends) for score in (new_steps, right_sums))
    judged: dict[str, Reward] = {"new": new, "right": right, "answer": AnswerMatch()}
    recipe = PolicyRecipe(
        name=SLUG,
        model=Model(value_head=True),
        reward=WeightedSum(judged, {"answer": 0.3}),
        shaping=(KLPenalty(0.3), WhitenedRewards()),
        advantage=GAE(discount=1.0, lam=0.95),
        objective=PPO(value_clip=0.2),
        reference=FixedReference(),
        sampler=Groups(4),
        optimiser=AdamW(lr=1e-4),
        loop=Loop(steps=50, groups=16, epochs=4),
    )
    return replace(recipe, **overrides)
