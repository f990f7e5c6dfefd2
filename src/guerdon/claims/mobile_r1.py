"""Mobile-R1 in miniature: what steps teach, and what episodes add.

A 5x5 grid, 14 turns, from corner to corner. Labels stand on the 8 cells of one path. Actions are
whole written steps, a swipe each, as the step reward reads them. In the third stage, and in one of
two tests, a move goes astray with probability 0.2. A softmax table; a row's step is the sum over
its turns, as in the pilot. "towards the goal" is exact: the mean probability of a nearer cell where
no label stands.

What a sceptic should know. The pilot has one rate, 0.8. Over 0.4 to 25.6 each arm has its own best,
and on pilot seeds episodes alone are then as good after 30 groups as after labelled steps: there
the second stage makes up for a small rate, though it has samples of its own. So both are claimed at
the pilot's rate and at each arm's best.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate, SequenceSumMean
from guerdon.recipes.mobile_r1 import SLUG
from guerdon.records import Experience, Progress, Task
from guerdon.reproduction import Claim, Expectation, Figure, Pilot, Report, Role
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
CHANCE = 0.4375  # of a nearer cell: 1/2 in 12 cells beside the path, 1/4 in the 4 of the last row
SWIPES: dict[str, dict[str, Any]] = {
    move: {"name": "swipe", "arguments": {"x1": 5, "y1": 5, "x2": x, "y2": y}}
    for move, x, y in (("up", 5, 4), ("down", 5, 6), ("left", 4, 5), ("right", 6, 5))
}
FORM = "<think>.</think><action>{}</action><tool_call>{}</tool_call>"  # as the step reward reads
STEPS = {FORM.format(move, json.dumps(call)): move for move, call in SWIPES.items()}
OBJECTIVE = ClippedSurrogate(aggregation=SequenceSumMean())
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


def towards(policy: TabularPolicy) -> float:
    """The mean probability of a move that comes nearer, over the cells beside the path."""
    p_SA, moves = policy.logits.detach().softmax(1), list(SWIPES)
    beside = [(x, y) for x in range(SIDE - 1) for y in range(1, SIDE)]
    nearer = [
        p_SA[policy.index[f"{x},{y}"], moves.index(move)].item()
        for x, y in beside
        for move in ("right", "down")
        if move == "right" or y < SIDE - 1
    ]
    return sum(nearer) / len(beside)


@dataclass(frozen=True)
class Miniature:
    """One arm: whether there is a second stage, how many groups of episodes a third has, a rate."""

    steps: bool
    groups: int
    rate: float = RATE

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
            sgd = torch.optim.SGD(policy.parameters(), lr=self.rate * len(tasks))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, sgd, OBJECTIVE, learned, guard=Guard(), clip=0)
        report(1.0)
        tests = [crossing(slip, f"test {seed}") for slip in (0.0, SLIP)]
        rows = policy.sample(tests, TRIALS, Sampling(max_turns=TURNS), seed)
        clean, slippery = rows.finished.float().reshape(2, -1).mean(1).tolist()
        return {"clean": clean, "slippery": slippery, "towards the goal": towards(policy)}


def claim() -> Claim:
    """Steps alone don't recover; episodes do, and steps make them cheaper."""
    both, alone, steps = "steps, {} groups", "{} groups", "steps, 0 groups"
    arms = {both.format(n): Miniature(True, n) for n in (0, 30, 250)}
    arms |= {alone.format(n): Miniature(False, n) for n in (30, 250)}
    tuned = {0: 25.6, 30: 25.6, 250: 3.2}
    arms |= {f"{both.format(n)}, best rate": Miniature(True, n, r) for n, r in tuned.items()}
    arms["30 groups, best rate"] = Miniature(False, 30, 6.4)
    pilot = Pilot(
        (
            Figure(steps, "clean", 0.99, 0.03),
            Figure(steps, "slippery", 0.81, 0.04),
            Figure("30 groups", "slippery", 0.59, 0.1),
            Figure("250 groups", "slippery", 0.94, 0.03),
        ),
        seeds=tuple(range(1000, 1006)),
    )
    recovery, cheaper = "recovery", "steps make episodes cheaper"
    return Claim(
        slug=SLUG,
        statement="Episodes teach recovery that labelled steps do not, which make episodes cheaper",
        arms=arms,
        metric="slippery",
        expectations=(
            Expectation("steps, 250 groups", steps, "slippery", 0.08, why=recovery),
            Expectation(
                "steps, 250 groups, best rate",
                "steps, 0 groups, best rate",
                "slippery",
                0.08,
                why=recovery,
            ),
            Expectation("steps, 30 groups", "30 groups", "slippery", 0.1, why=cheaper),
            Expectation(
                "steps, 30 groups, best rate",
                "30 groups, best rate",
                "slippery",
                0.1,
                why=cheaper,
            ),
            Expectation(
                "250 groups", "steps, 250 groups", "slippery", within=0.03, why="not with many"
            ),
            *pilot.checks(),
            Expectation(
                steps,
                CHANCE,
                "towards the goal",
                within=1e-6,
                role=Role.IDENTITY,
                why="steps say nothing beside the path",
            ),
        ),
        seeds=8,
        pilot=pilot,
    )
