"""Fine-grained rewards in miniature.

The miniature: an answer of 24 independent segments, one of 8 symbols right in each; +0.3 for a
right segment and -0.3 for a wrong one, batches of 4, 50 updates of plain policy gradient. The arms
have the same information in ever coarser credit: each segment its own reward, the return from it
on, the whole sum, and whether the sum is above 0. No baseline and no KL. Left out: the sweep of
weights, which needs a policy that can trade length for errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.advantages import ReturnToGo
from guerdon.advantages.spread import spread_over_tokens
from guerdon.objectives import PolicyGradient, SequenceSumMean
from guerdon.recipes.fine_grained_rlhf import SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import SpanReward
from guerdon.rewards.models.spans import word_ends
from guerdon.rollout import SlotPolicy
from guerdon.stages import Advantage, Sampling
from guerdon.training import Guard, update

SEGMENTS = 24
SYMBOLS = 8
BATCH = 4
UPDATES = 50
RATE = 0.5


def rated(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    """0.3 for a segment with the right symbol, which is 0, else -0.3."""
    return [0.3 if span.strip() == "0" else -0.3 for span in spans]


def whole_sum(experience: Experience) -> Tensor:
    """The completion's total on every token: the credit of one scalar, without a baseline."""
    scores = experience.scores
    return spread_over_tokens(scores.value, scores, experience.rollouts)


def above_zero(experience: Experience) -> Tensor:
    """A coarse judgement of the whole: 1 on every token where the total is above 0."""
    scores = experience.scores
    return spread_over_tokens((scores.value > 0).float(), scores, experience.rollouts)


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
            credit_NT = self.credit(Experience(rows, reward(rows, Progress(step, UPDATES))))
            learned = Experience(rows, advantage=credit_NT)
            update(policy, optimiser, objective, learned, guard=Guard(), clip=0)
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
