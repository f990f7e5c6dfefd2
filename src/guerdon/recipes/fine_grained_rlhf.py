"""Fine-grained rewards: one for every kind of error, at the end of every segment it is found in.

Paper: Fine-Grained Human Feedback Gives Better Rewards (2306.01693). Changed against RLHF: not
one score at the end but several `SpanReward`s, each with segments of its own, placed where these
end and added up where ends coincide (the released code overwrites); a KL penalty per token in the
reward; PPO with GAE. Left out: learned reward models and long answers to questions. The real run:
the seedling's written sums; a new step pays 0.3 and a repeated one costs it, a right sum pays 0.5
and a wrong one costs it, the right answer pays 0.3 at the end: rules stand for the three models.

The miniature: an answer of 24 independent segments, one of 8 symbols right in each; +0.3 for a
right segment and -0.3 for a wrong one, batches of 4, 50 updates of plain policy gradient. The arms
have the same information in ever coarser credit: each segment its own reward, the return from it
on, the whole sum, and whether the sum is above 0. No baseline and no KL. Left out: the sweep of
weights, which needs a policy that can trade length for errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from guerdon.advantages import GAE, ReturnToGo
from guerdon.advantages.spread import spread_over_tokens
from guerdon.objectives import PPO, PolicyGradient, SequenceSumMean
from guerdon.parsing import sums_hold
from guerdon.recipes import Paper
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import AnswerMatch, SpanReward, WeightedSum
from guerdon.rewards.models.spans import Decoded, word_ends
from guerdon.rollout import SlotPolicy
from guerdon.shaping import KLPenalty
from guerdon.stages import Advantage, Reward, Sampling
from guerdon.training import FixedReference, Guard, Loop, Model, Optimiser, PolicyRecipe, update

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
        shaping=(KLPenalty(0.3),),
        advantage=GAE(discount=1.0, lam=0.95),
        objective=PPO(value_clip=0.2),
        reference=FixedReference(),
        optimiser=Optimiser(lr=1e-4),
        loop=Loop(steps=50, groups=16, group_size=4, epochs=4),
    )
    return replace(recipe, **overrides)


SEGMENTS, SYMBOLS, BATCH, UPDATES, RATE = 24, 8, 4, 50, 0.5


def rated(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    """0.3 for a segment with the right symbol, which is 0, else -0.3."""
    return [0.3 if span.strip() == "0" else -0.3 for span in spans]


def whole_sum(scores: Scores, rollouts: Rollouts) -> Tensor:
    """The completion's total on every token: the credit of one scalar, without a baseline."""
    return spread_over_tokens(scores.value, scores, rollouts)


def above_zero(scores: Scores, rollouts: Rollouts) -> Tensor:
    """A coarse judgement of the whole: 1 on every token where the total is above 0."""
    return spread_over_tokens((scores.value > 0).float(), scores, rollouts)


@dataclass(frozen=True)
class Miniature:
    """One arm: how the segments' rewards become credit."""

    credit: Advantage

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        task, symbols = Task("answer", ""), list(map(str, range(SYMBOLS)))
        policy = SlotPolicy([task.id], [symbols] * SEGMENTS, lambda _, said: " ".join(said))
        reward = SpanReward(rated, lambda rows, row, ends: range(len(ends)), word_ends)
        objective = PolicyGradient(aggregation=SequenceSumMean())
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE)
        for step in range(UPDATES):
            rows = policy.sample([task], BATCH, Sampling(), seed * UPDATES + step)
            credit_NT = self.credit(reward(rows, Progress(step, UPDATES)), rows)
            update(policy, optimiser, objective, rows, credit_NT, guard=Guard(), clip=0)
        report(1.0)
        return {"right": policy.log_probs([task]).exp()[0, :, 0].mean().item()}


def claim() -> Claim:
    """The finer the credit, the faster it is learned from."""
    own, summed, coarse = "own segment", "whole sum", "sum above 0"
    return Claim(
        slug=SLUG,
        statement="Rewards at the segments they are for teach faster than one for the whole",
        arms={
            own: Miniature(ReturnToGo(discount=0.0)),
            "from it on": Miniature(ReturnToGo()),
            summed: Miniature(whole_sum),
            coarse: Miniature(above_zero),
        },
        metric="right",
        expectations=(
            Expectation(own, summed, "right", 0.05, why="dense beats one exact sum"),
            Expectation(summed, coarse, "right", 0.2, why="most is lost in coarse judgements"),
            Expectation(own, "from it on", "right", why="what follows is noise here"),
        ),
        seeds=6,
    )
