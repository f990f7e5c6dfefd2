"""Clip and Delta in miniature: what makes solutions longer.

A sum in three steps; a step can be right, a slip, or a restatement, which the process reward rates
as highly as a right step and which leads nowhere. At most 24 steps, else the outcome is 0. A
softmax table, 32 solutions an update, credit by return-to-go unless an arm says "whole credit":
then every step is credited the sum of all. 100 updates, not 200, to fit the budget.

What a sceptic should know. The specification has no pilot's figures for this miniature: its checks
are that the start is far from a ceiling and that the outcome alone is learned. Delta gives the last
step 0 and every other its own score, so by return-to-go it pays for putting the end off: that is
the paper's formula. Two arms ask whether this is what lengthens: the last step scored as the others
are, and whole credit. On one pilot seed Delta lengthens at every rate of 0.3, 1 and 3; the two arms
do not at 0.3, and lengthen by a half and by more than double at 3.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch

from guerdon.advantages import ReinforcePlusPlus, ReinforcePlusPlusBaseline
from guerdon.objectives import PolicyGradient, SequenceSumMean
from guerdon.recipes.clip_delta import GOOD, POOR, SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Report, Role
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import TabularPolicy
from guerdon.rollout.environments import Step
from guerdon.shaping import Clip, Delta, ScoredSteps, StepRewards, TurnEnds
from guerdon.shaping.steps import StepShape
from guerdon.stages import Advantage, Sampling
from guerdon.training import Guard, update

RATE = 1.0
UPDATES = 100
START = (0.73, 0.20, 0.07)


class Chain:
    """A sum in three steps, right until a slip; restating changes nothing."""

    actions = ("right", "slip", "restate")

    def reset(self) -> str:
        self.state_key = (0, True)
        return ""

    def step(self, action: str) -> Step:
        done, right = self.state_key
        self.state_key = done, right = done + (action != "restate"), right and action != "slip"
        return Step("", float(done == 3 and right), done == 3)


def rated(task: Task, steps: Sequence[str]) -> list[float]:
    """0.95 for a right or restated step, 0.2 for a slip, plus noise of 0.05 drawn by the text."""
    draw = random.Random(" ".join(steps))
    return [(POOR if step == "slip" else GOOD) + draw.gauss(0, 0.05) for step in steps]


def to_the_end(score_K: torch.Tensor) -> torch.Tensor:
    """Delta with the last step scored: ``r_k - r_{k+1}``, and ``r_K`` for the last."""
    return score_K - torch.nn.functional.pad(score_K[1:], (0, 1))


@dataclass(frozen=True)
class Miniature:
    """One arm: how steps are shaped, their weight (0: the outcome alone), credit and rate."""

    shapes: tuple[StepShape, ...] = ()
    weight: float = 0.5
    credit: Advantage = ReinforcePlusPlus()
    rate: float = RATE

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        start = torch.tensor(START).log().expand(6, -1)
        policy = TabularPolicy([*product(range(3), (True, False))], Chain.actions, start)
        shaper = StepRewards(ScoredSteps(rated, TurnEnds()), TurnEnds(), self.weight, self.shapes)
        optimiser = torch.optim.SGD(policy.parameters(), lr=self.rate)
        objective = PolicyGradient(aggregation=SequenceSumMean())
        tasks, seen = [Task("chain", "", columns={"environment": Chain})], list[torch.Tensor]()
        for at in (Progress(step, UPDATES) for step in range(UPDATES)):
            rows = policy.sample(tasks, 32, Sampling(max_turns=24), seed * UPDATES + at.step)
            outcome = EnvironmentReturn()(rows, at)
            credit_NT = self.credit(Experience(rows, shaper(outcome, rows, at)))
            learned = Experience(rows, advantage=credit_NT)
            update(policy, optimiser, objective, learned, guard=Guard(), clip=0)
            seen.append(torch.stack([outcome.value, rows.lengths.float()]).mean(1))
            report((at.step + 1) / UPDATES)
        accuracy, length = torch.stack(seen[-UPDATES // 5 :]).mean(0).tolist()
        whole = START[0] + START[1]
        return {
            "accuracy": accuracy,
            "accuracy at the start": (START[0] / whole) ** 3,
            "steps": length,
            "lengthening": length / (3 / whole) - 1,
        }


def claim() -> Claim:
    """Raw step scores are farmed; clipped or differenced ones are not."""
    paper: dict[str, tuple[StepShape, ...]] = {
        "clip": (Clip(),),
        "delta": (Delta(),),
        "clip + delta": (Clip(), Delta()),
    }
    mended = {
        "delta, last step scored": Miniature((to_the_end,)),
        "delta, whole credit": Miniature((Delta(),), credit=ReinforcePlusPlusBaseline()),
    }
    check = Role.CHECK
    return Claim(
        slug=SLUG,
        statement="Raw process rewards make solutions longer and worse; Clip and Delta do not",
        arms={
            "outcome": Miniature(weight=0.0),
            "raw": Miniature(),
            **{name: Miniature(shapes) for name, shapes in paper.items()},
            **mended,
        },
        metric="steps",
        expectations=(
            Expectation("raw", "outcome", "steps", matters=5.0, why="farmed"),
            Expectation("outcome", "raw", "accuracy", matters=0.2, why="never gets to the end"),
            *(Expectation(0.5, name, "lengthening", why="bounded") for name in paper),
            *(Expectation(0.5, name, "lengthening", why="no pay for delay") for name in mended),
            Expectation("clip + delta", "outcome", "accuracy", within=0.01, why="does no harm"),
            Expectation("outcome", 0.9, "accuracy", role=check, why="the outcome is learned"),
            Expectation(0.6, "outcome", "accuracy at the start", role=check, why="no ceiling"),
        ),
    )
