"""MultiRole-R1 in miniature.

The miniature: ten questions; a chain of three times a role of 8 and an answer of 4, the right one
fixed for each question and role, from softmaxes by place and, for the answer, by role. One role
starts with a logit of 2. D is the share of distinct roles; a third arm has the eight measures
instead. That variety makes answers right is not claimed. Rate and updates were set without a run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import torch

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.multirole_r1 import SLUG
from guerdon.records import Experience, Progress, Rollouts, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import WeightedSum
from guerdon.rewards.answers.roles import DistinctRoles, RoleAccuracy
from guerdon.rollout import SlotPolicy
from guerdon.shaping import Affine, Diversity
from guerdon.stages import Reward, Sampling, Shaper
from guerdon.training import Guard, update

QUESTIONS = 10
PLACES = 3
GROUP = 8
UPDATES = 600
RATE = 0.5
ROLES = "abcdefgh"
ANSWERS = "0123"
WIDTH = 1 + len(ROLES)


def written(task: Task, chosen: tuple[str, ...]) -> str:
    """Every place's role with that role's answer."""
    places = (chosen[at : at + WIDTH] for at in range(0, len(chosen), WIDTH))
    return " ".join(f"role: {r} answer: {a[ROLES.index(r)]}" for r, *a in places)


def untrained() -> SlotPolicy:
    """At every place a role, the first with a logit of 2, and an answer for each role."""
    names, start = [f"q{i}" for i in range(QUESTIONS)], torch.zeros(PLACES * WIDTH, len(ROLES))
    start[::WIDTH, 0] = 2.0
    return SlotPolicy(names, [ROLES, *[ANSWERS] * len(ROLES)] * PLACES, written, start)


def asked(rows: Rollouts) -> Rollouts:
    """The rollouts with the answers of roles that were not chosen masked: they are no acts."""
    role_NP1 = rows.ids[:, ::WIDTH, None]
    given_NPR = role_NP1 == torch.arange(len(ROLES))
    mask_NPW = torch.cat([torch.ones_like(given_NPR[..., :1]), given_NPR], 2)
    return replace(rows, mask=mask_NPW.flatten(1))


@dataclass(frozen=True)
class Miniature:
    """One arm; ``allowance`` is taken off "accuracy within 0.03"."""

    reward: Reward = RoleAccuracy()
    shaper: Shaper = Affine()
    allowance: float = 0.0

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        draw, policy, seen = random.Random(seed), untrained(), []
        golds = [{role: draw.choice(ANSWERS) for role in ROLES} for _ in range(QUESTIONS)]
        tasks = [Task(f"q{i}", "", columns={"roles": gold}) for i, gold in enumerate(golds)]
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE * QUESTIONS)
        for at in (Progress(step, UPDATES) for step in range(UPDATES)):
            rows = asked(policy.sample(tasks, GROUP, Sampling(), seed * UPDATES + at.step))
            scores = self.shaper(self.reward(rows, at), rows, at)
            advantage_NT = GroupNormalised()(Experience(rows, scores))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, ClippedSurrogate(), learned, guard=Guard(), clip=0)
            silent = 1 - advantage_NT.reshape(QUESTIONS, -1).any(1).float().mean()
            right, distinct = (part(rows, at).value for part in (RoleAccuracy(), DistinctRoles()))
            seen.append(torch.stack([right.mean(), distinct.mean(), silent]))
            report((at.step + 1) / UPDATES)
        accuracy, distinct_share, _ = torch.stack(seen[-UPDATES // 10 :]).mean(0).tolist()
        within, silent_share = accuracy - self.allowance, torch.stack(seen)[:, 2].mean().item()
        figures = {"accuracy": accuracy, "accuracy within 0.03": within}
        return {**figures, "distinct roles": distinct_share, "silent groups": silent_share}


def claim() -> Claim:
    """Paid for variety, chains are as right, far more varied, and fewer groups are silent."""
    plain, paid = "accuracy", "distinct roles paid"
    judged: dict[str, Reward] = {"accuracy": RoleAccuracy(), "roles": DistinctRoles()}
    mixed = WeightedSum(judged, {"accuracy": 0.9, "roles": 0.1})
    return Claim(
        slug=SLUG,
        statement="A tenth of the reward for distinct roles keeps them, at no cost in accuracy",
        arms={
            plain: Miniature(allowance=0.03),
            paid: Miniature(mixed),
            "wording paid": Miniature(shaper=Diversity(keep=0.9)),
        },
        metric="distinct roles",
        expectations=(
            Expectation(paid, plain, "distinct roles", matters=0.15),
            Expectation(paid, plain, "accuracy within 0.03", why="accuracy is kept"),
            Expectation(plain, paid, "silent groups", 0.1, why="fewer groups are dead"),
        ),
    )
