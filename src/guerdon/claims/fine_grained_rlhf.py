"""Fine-grained rewards in miniature: how much finer credit is worth.

An answer of 24 independent segments, one of 8 symbols right in each; 0.3 for a right segment and
-0.3 for a wrong one, batches of 4, 50 updates of plain policy gradient. A seed is 6 answers, which
share nothing. The arms have the same information in ever coarser credit: each segment its own
reward, the return from it on, the whole sum, whether the sum is above 0, and whether it is above
the batch's mean. From all credit the batch's mean is taken, segment by segment: without it, credit
whose mean is far from 0 pays for that alone, and the gap doubles. Left out: the sweep of weights,
which needs a policy that can trade length for errors; GAE; the KL.

What a sceptic should know. Segments here are independent, so that a segment's own reward is all
there is to know of it: the gap is the most there can be. Few sums are ever above 0, and that arm
has no signal to learn from; a judgement of the whole that has one is "better than the mean". Each
arm's best rate is that over 0.25 to 32, in steps of 2.
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
from guerdon.reproduction import Claim, Expectation, Figure, Pilot, Report
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
ANSWERS = 6


def rated(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    """0.3 for a segment with the right symbol, which is 0, else -0.3."""
    return [0.3 if span.strip() == "0" else -0.3 for span in spans]


def whole_sum(experience: Experience) -> Tensor:
    """The completion's total on every token: the credit of one scalar."""
    scores = experience.scores
    return spread_over_tokens(scores.value, scores, experience.rollouts)


def above_zero(experience: Experience) -> Tensor:
    """A coarse judgement of the whole: 1 on every token where the total is above 0."""
    scores = experience.scores
    return spread_over_tokens((scores.value > 0).float(), scores, experience.rollouts)


def above_mean(experience: Experience) -> Tensor:
    """A judgement between answers: 1 on every token where the total is above its batch's mean."""
    scores = experience.scores
    better = scores.value.reshape(-1, BATCH) > scores.value.reshape(-1, BATCH).mean(1, keepdim=True)
    return spread_over_tokens(better.flatten().float(), scores, experience.rollouts)


@dataclass(frozen=True)
class Miniature:
    """One arm: how the segments' rewards become credit, and the learning rate."""

    credit: Advantage
    rate: float = RATE

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        names, symbols = [f"answer-{i}" for i in range(ANSWERS)], list(map(str, range(SYMBOLS)))
        tasks = [Task(name, "") for name in names]
        policy = SlotPolicy(names, [symbols] * SEGMENTS, lambda _, said: " ".join(said))
        reward = SpanReward(rated, lambda rows, row, ends: range(len(ends)), word_ends)
        objective = PolicyGradient(aggregation=SequenceSumMean())
        optimiser = torch.optim.SGD(policy.parameters(), lr=self.rate * ANSWERS)
        for step in range(UPDATES):
            rows = policy.sample(tasks, BATCH, Sampling(), seed * UPDATES + step)
            credit_NT = self.credit(Experience(rows, reward(rows, Progress(step, UPDATES))))
            credit_ABT = credit_NT.unflatten(0, (ANSWERS, BATCH))
            centred_NT = (credit_ABT - credit_ABT.mean(1, keepdim=True)).flatten(0, 1)
            learned = Experience(rows, advantage=centred_NT)
            update(policy, optimiser, objective, learned, guard=Guard(), clip=0)
        report(1.0)
        return {"right": policy.log_probs(tasks).exp()[:, :, 0].mean().item()}


def claim() -> Claim:
    """The finer the credit, the faster it is learned from."""
    own, on, summed, coarse = "own segment", "from it on", "whole sum", "sum above 0"
    credits: dict[str, Advantage] = {
        own: ReturnToGo(discount=0.0),
        on: ReturnToGo(),
        summed: whole_sum,
        coarse: above_zero,
    }
    tuned = {own: 32.0, on: 2.0, summed: 2.0}
    arms = {name: Miniature(credit) for name, credit in credits.items()}
    arms |= {f"{name}, best rate": Miniature(credits[name], rate) for name, rate in tuned.items()}
    arms["sum above the mean, best rate"] = Miniature(above_mean, 4.0)
    best_own, best_on, best_sum, best_judged = list(arms)[4:]
    dense, lost = "dense beats one exact sum", "what is lost in coarse judgements"
    pilot = Pilot(
        (
            Figure(summed, "right", 0.476, 0.06),
            Figure(own, "right", 0.615, 0.06),
            Figure(coarse, "right", 0.125, 0.02),
        ),
        seeds=tuple(range(1000, 1010)),
    )
    return Claim(
        slug=SLUG,
        statement="Rewards at the segments they are for teach faster than one for the whole",
        arms=arms,
        metric="right",
        expectations=(
            Expectation(own, summed, "right", 0.05, why=dense),
            Expectation(best_own, best_sum, "right", 0.05, why=dense),
            Expectation(on, summed, "right", why="dense beats it as PPO would credit it, too"),
            Expectation(
                best_on, best_sum, "right", why="dense beats it as PPO would credit it, too"
            ),
            Expectation(summed, coarse, "right", 0.2, why=lost),
            Expectation(best_sum, best_judged, "right", 0.05, why=lost),
            *pilot.checks(),
        ),
        seeds=6,
        pilot=pilot,
    )
