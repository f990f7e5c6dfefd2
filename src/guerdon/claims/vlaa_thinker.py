"""VLAA-Thinker in miniature.

The miniature: 16 contexts; first a mode, and after "think" one of 6 answers, which starts at chance
and can be learned; "imitate" is right with probability 0.4 whatever is learned. Imitation before
RL is a start at 0.98 for "imitate". Groups of 4, 60 updates of every context.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate, SequenceSumMean
from guerdon.recipes.vlaa_thinker import SLUG
from guerdon.records import Experience, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rollout import SlotPolicy
from guerdon.stages import Sampling
from guerdon.training import Guard, update

CONTEXTS = 16
ANSWERS = 6
GROUP = 4
UPDATES = 60
RATE = 0.6
LUCK = 0.4
OBJECTIVE = ClippedSurrogate(aggregation=SequenceSumMean())


def untrained(imitate: float) -> SlotPolicy:
    """Mode and answer; ``imitate`` is the probability of that mode, answers start uniform."""
    names, start = [f"c{i}" for i in range(CONTEXTS)], torch.zeros(2, ANSWERS)
    start[0, :2] = torch.tensor([imitate, 1 - imitate]).log()
    slots = [("imitate", "think"), tuple(map(str, range(ANSWERS)))]
    return SlotPolicy(names, slots, lambda _, chosen: " ".join(chosen), start)


def expected_reward(p_CTA: Tensor) -> float:
    """The probability of being right, over the contexts; the right answer of each is 0."""
    return (p_CTA[:, 0, 0] * LUCK + p_CTA[:, 0, 1] * p_CTA[:, 1, 0]).mean().item()


@dataclass(frozen=True)
class Miniature:
    """One arm: how likely imitation is at the start."""

    imitate: float

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        policy, draw = untrained(self.imitate), torch.Generator().manual_seed(seed)
        tasks = [Task(name, "") for name in policy.index]
        first = expected_reward(policy.log_probs(tasks).exp())
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE * CONTEXTS)
        for step in range(UPDATES):
            rows = policy.sample(tasks, GROUP, Sampling(), seed * UPDATES + step)
            thought_N, lucky_N = rows.ids[:, 0] == 1, torch.rand(len(rows), generator=draw) < LUCK
            # Who imitates gives no answer of his own: that choice is no act of the policy.
            rows = replace(rows, mask=torch.stack([torch.ones_like(thought_N), thought_N], 1))
            right_N = torch.where(thought_N, rows.ids[:, 1] == 0, lucky_N)
            advantage_NT = GroupNormalised()(Experience(rows, Scores(right_N.float())))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, OBJECTIVE, learned, guard=Guard(), clip=0)
        report(1.0)
        final = expected_reward(policy.log_probs(tasks).exp())
        return {"first reward": first, "final reward": final}


def claim() -> Claim:
    """Imitation raises where RL starts and lowers where it ends."""
    alone, after = "rl", "imitation, then rl"
    return Claim(
        slug=SLUG,
        statement="Imitating before RL starts higher and ends lower than RL alone",
        arms={alone: Miniature(0.5), after: Miniature(0.98)},
        metric="final reward",
        expectations=(
            Expectation(alone, after, "final reward", matters=0.1, why="it ends lower"),
            Expectation(after, alone, "first reward", matters=0.05, why="it starts higher"),
        ),
        seeds=8,
    )
