"""Mobile-R1 in miniature.

The miniature: a 5x5 grid, 14 turns, from corner to corner. Labels stand on the 8 cells of one path.
Actions are whole written steps, a swipe each, as the step reward reads them. In the third stage,
and in one of two tests, a move goes astray with probability 0.2. Rate 0.8; a softmax table.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.mobile_r1 import SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import EnvironmentReturn, MobileStepReward
from guerdon.rollout import Grid, Step, TabularPolicy
from guerdon.stages import Sampling
from guerdon.training import Guard, update

SIDE = 5
TURNS = 14
GROUP = 8
SWEEPS = 40
RATE = 0.8
SLIP = 0.2
TRIALS = 400
SIZES = (0, 30, 250)
SWIPES: dict[str, dict[str, Any]] = {
    move: {"name": "swipe", "arguments": {"x1": 5, "y1": 5, "x2": x, "y2": y}}
    for move, x, y in (("up", 5, 4), ("down", 5, 6), ("left", 4, 5), ("right", 6, 5))
}
FORM = "<think>.</think><action>{}</action><tool_call>{}</tool_call>"  # as the step reward reads
STEPS = {FORM.format(move, json.dumps(call)): move for move, call in SWIPES.items()}
PATH = {f"{i},0": "right" for i in range(4)} | {f"4,{i}": "down" for i in range(4)}


class Phone(Grid):
    """The board, read and told by written steps; moves go astray by draws of one ``chance``."""

    actions = tuple(STEPS)

    def __init__(self, slip: float, chance: random.Random) -> None:
        self.slip, self.chance = slip, chance
        super().__init__(SIDE, reward=1.0)

    @property
    def state_key(self) -> str:
        return f"{self.at[0]},{self.at[1]}"

    def step(self, action: str) -> Step:
        astray = self.chance.random() < self.slip
        return super().step(self.chance.choice(tuple(SWIPES)) if astray else STEPS[action])


def crossing(slip: float, seed: str) -> Task:
    """The task to cross the board; ``seed`` decides which moves go astray."""
    settings = {"slip": slip, "chance": random.Random(seed)}
    return Task("cross", "", columns={"environment": Phone, "settings": settings})


@dataclass(frozen=True)
class Miniature:
    """One arm: whether there is a second stage, and how many groups of episodes a third has."""

    steps: bool
    groups: int

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        cells = [f"{x},{y}" for x in range(SIDE) for y in range(SIDE)]
        first = [[float(PATH.get(cell) == move) for move in SWIPES] for cell in cells]
        policy = TabularPolicy(cells, tuple(STEPS), torch.tensor(first))
        labels = {cell: {**SWIPES[move], "box": (0, 0, 9, 9)} for cell, move in PATH.items()}
        single = [Task(cell, "", columns={"step": label}) for cell, label in labels.items()]
        for step in range(-SWEEPS * self.steps, self.groups):
            tasks = single if step < 0 else [crossing(SLIP, f"{seed}/{step}")]
            reward = MobileStepReward() if step < 0 else EnvironmentReturn()
            rows = policy.sample(tasks, GROUP, Sampling(max_turns=TURNS), seed * 1000 + step + 40)
            advantage_NT = GroupNormalised()(Experience(rows, reward(rows, Progress())))
            sgd = torch.optim.SGD(policy.parameters(), lr=RATE * len(tasks))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, sgd, ClippedSurrogate(), learned, guard=Guard(), clip=0)
        report(1.0)
        tests = [crossing(slip, "test") for slip in (0.0, SLIP)]
        rows = policy.sample(tests, TRIALS, Sampling(max_turns=TURNS), seed)
        clean, slippery = rows.finished.float().reshape(2, -1).mean(1).tolist()
        return {"clean": clean, "slippery": slippery}


def claim() -> Claim:
    """Steps alone don't recover; episodes do, and steps make them cheaper."""
    return Claim(
        slug=SLUG,
        statement="Episodes teach recovery that labelled steps do not, which make episodes cheaper",
        arms={f"{'steps, ' * s}{n} groups": Miniature(s > 0, n) for s in (0, 1) for n in SIZES},
        metric="slippery",
        expectations=(
            Expectation("steps, 250 groups", "steps, 0 groups", "slippery", 0.08, why="recovery"),
            Expectation("steps, 30 groups", "30 groups", "slippery", 0.1, why="cheaper"),
            Expectation("steps, 0 groups", 0.9, "clean", why="steps solve the clean path"),
        ),
        seeds=8,
    )
