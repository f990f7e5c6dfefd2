"""Shop-R1 in miniature: paying the hard part more.

10 contexts, in each of which the truth is "terminate" or a click on one of 30 names, evenly; a
softmax table starts at 0.5 for terminate and at 0.1 for the right click. Plain policy gradient, 300
updates of every context; where D is not divided out, the rate is.

What a sceptic should know. The pilot's rate is not told; at this one the arms with the exact reward
are nearest to its figures (0.94 for its 0.985). Standardised arms are lotteries: a context ends at
one action, so that a seed's mean over 10 contexts varies by 0.05 and more. The specification's D =
0.2 is left out. Each arm's best rate is that with the most right clicks over 0.2 to 16, in steps of
2.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import torch

from guerdon.advantages import GroupNormalised, NoScale
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.shop_r1 import SLUG
from guerdon.records import Experience, Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Figure, Pilot, Report
from guerdon.rewards import WebActionReward
from guerdon.rollout import TabularPolicy
from guerdon.stages import Reward, Sampling
from guerdon.training import Guard, update

CONTEXTS = 10
NAMES = 30
GROUP = 8
STEPS = 300
RATE = 0.2
OBJECTIVE = ClippedSurrogate()
ACTIONS = [{"type": "terminate"}, *({"type": "click", "name": f"n{i}"} for i in range(NAMES))]
TEXTS = [json.dumps({"rationale": "", "action": action}) for action in ACTIONS]


def exact(rollouts: Rollouts, progress: Progress) -> Scores:
    """1 where type and name are the truth's, else 0."""
    parts = WebActionReward()(rollouts, progress).parts
    ends = torch.tensor([gold["type"] == "terminate" for gold in rollouts.column("action")])
    return Scores(((parts["type"] > 0) & (ends | (parts["content"] > 0))).float())


@dataclass(frozen=True)
class Miniature:
    """One arm: a reward, its difficulty, whether advantages are only centred, and a rate."""

    reward: Reward
    difficulty: float = 0.0
    centred: bool = False
    rate: float = RATE

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        names = [f"context-{i}" for i in range(CONTEXTS)]
        start = torch.full((CONTEXTS, 1 + NAMES), 0.4 / (NAMES - 1))
        start[:, 0] = 0.5
        start[range(CONTEXTS), range(1, 1 + CONTEXTS)] = 0.1
        policy, draw = TabularPolicy(names, TEXTS, start.log()), random.Random(seed)
        credit = GroupNormalised(scale=NoScale()) if self.centred else GroupNormalised()
        rate = self.rate * CONTEXTS / (max(1.0, self.difficulty) if self.centred else 1.0)
        optimiser = torch.optim.SGD(policy.parameters(), lr=rate)
        for step in range(STEPS):
            truth = [ACTIONS[draw.choice((0, 1 + i))] for i in range(CONTEXTS)]
            tasks = [Task(n, "", columns={"action": t}) for n, t in zip(names, truth, strict=True)]
            rows = policy.sample(tasks, GROUP, Sampling(), seed * STEPS + step)
            advantage_NT = credit(Experience(rows, self.reward(rows, Progress(step, STEPS))))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, OBJECTIVE, learned, guard=Guard(), clip=0)
            report((step + 1) / STEPS)
        p_CA = policy.logits.detach().softmax(1)
        hit = p_CA[range(CONTEXTS), range(1, 1 + CONTEXTS)].mean().item()
        return {"terminate": p_CA[:, 0].mean().item(), "right click": hit}


def claim() -> Claim:
    """The multiplier stops the hack where it is not divided out again."""
    ten, thousand = WebActionReward(difficulty=10.0), WebActionReward(difficulty=1000.0)
    centred, standardised = "D 10, centred", "D 10, standardised"
    best_centred, best_standardised = f"{centred}, best rate", f"{standardised}, best rate"
    kinds = ("exact, standardised", "exact, centred")
    arms = {kind: Miniature(exact, centred=kind == kinds[1]) for kind in kinds}
    arms |= {
        standardised: Miniature(ten, 10.0),
        centred: Miniature(ten, 10.0, centred=True),
        "D 1000, standardised": Miniature(thousand, 1000.0),
        best_standardised: Miniature(ten, 10.0, rate=8.0),
        best_centred: Miniature(ten, 10.0, centred=True, rate=8.0),
    }
    figures = [Figure(kind, "terminate", 0.985, 0.1) for kind in kinds]
    figures += [Figure(kind, "right click", 0.01, 0.1) for kind in kinds]
    pilot = Pilot(tuple(figures), seeds=tuple(range(1000, 1020)))
    click, divided = "right click", "divided out again"
    return Claim(
        slug=SLUG,
        statement="Paying the hard part more stops spam of the easy action, if it is not rescaled",
        arms=arms,
        metric="terminate",
        expectations=(
            Expectation(0.5, centred, "terminate", why="the hack is gone"),
            Expectation(centred, standardised, click, 0.3, why=divided),
            Expectation(best_centred, best_standardised, click, 0.3, why=divided),
            Expectation(standardised, "D 1000, standardised", click, within=0.1, why="D saturates"),
            *pilot.checks(),
        ),
        seeds=12,
        pilot=pilot,
    )
