"""Clip and Delta in miniature.

The miniature: a sum in three steps; a step can be right, a slip, or a restatement, which the
process reward rates as highly as a right step and which leads nowhere. At most 24 steps, else
the outcome is 0. A softmax table, 32 solutions an update; its learning rate was chosen for the
outcome-only arm on seeds that the claim does not use. 100 updates, not 200, to fit the budget.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from guerdon.advantages import ReinforcePlusPlus
from guerdon.objectives import PolicyGradient, SequenceSumMean
from guerdon.recipes.clip_delta import GOOD, POOR, SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import TabularPolicy
from guerdon.rollout.environments import Step
from guerdon.shaping import Clip, Delta, ScoredSteps, StepRewards, TurnEnds
from guerdon.stages import Sampling
from guerdon.training import Guard, update

RATE = 1.0
UPDATES = 100
SHAPES: dict[str, Any] = {"clip": (Clip(),), "delta": (Delta(),), "clip + delta": (Clip(), Delta())}


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


@dataclass(frozen=True)
class Miniature:
    """One arm: ``weight`` 0 is the outcome alone; ``allowance`` is taken off one metric."""

    shapes: tuple[Any, ...] = ()
    weight: float = 0.5
    allowance: float = 0.0

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        start = torch.tensor([0.73, 0.20, 0.07]).log().expand(6, -1)
        policy = TabularPolicy([*product(range(3), (True, False))], Chain.actions, start)
        shaper = StepRewards(ScoredSteps(rated, TurnEnds()), TurnEnds(), self.weight, self.shapes)
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE)
        objective, credit = PolicyGradient(aggregation=SequenceSumMean()), ReinforcePlusPlus()
        tasks, seen = [Task("chain", "", columns={"environment": Chain})], list[torch.Tensor]()
        for at in (Progress(step, UPDATES) for step in range(UPDATES)):
            rows = policy.sample(tasks, 32, Sampling(max_turns=24), seed * UPDATES + at.step)
            outcome = EnvironmentReturn()(rows, at)
            credit_NT = credit(Experience(rows, shaper(outcome, rows, at)))
            learned = Experience(rows, advantage=credit_NT)
            update(policy, optimiser, objective, learned, guard=Guard(), clip=0)
            seen.append(torch.stack([outcome.value, rows.lengths.float()]).mean(1))
            report((at.step + 1) / UPDATES)
        accuracy, length = torch.stack(seen[-UPDATES // 5 :]).mean(0).tolist()
        figures = {"accuracy": accuracy, "accuracy within 0.01": accuracy - self.allowance}
        return {**figures, "steps": length, "lengthening": length / (3 / 0.93) - 1}


def claim() -> Claim:
    """Raw step scores are farmed; clipped or differenced ones are not."""
    return Claim(
        slug=SLUG,
        statement="Raw process rewards make solutions longer and worse; Clip and Delta do not",
        arms={
            "outcome": Miniature(weight=0.0, allowance=0.01),
            "raw": Miniature(),
            **{name: Miniature(shapes) for name, shapes in SHAPES.items()},
        },
        metric="accuracy",
        expectations=(
            Expectation("raw", "outcome", "steps", matters=5.0, why="farmed"),
            Expectation("outcome", "raw", "accuracy", matters=0.2, why="never gets to the end"),
            *(Expectation(0.5, name, "lengthening", why="bounded") for name in SHAPES),
            Expectation("clip + delta", "outcome", "accuracy within 0.01", why="does no harm"),
        ),
    )
