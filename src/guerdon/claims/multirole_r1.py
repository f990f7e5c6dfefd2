"""MultiRole-R1 in miniature: roles kept because they are paid for.

Ten questions; a chain of three times a role of 8 and an answer of 4, the right one fixed for each
question and role. Roles come from a softmax by question and place, answers from one by question and
role. One role starts with a logit of 0.5. D is the share of distinct roles; a third arm has the
eight measures of wording instead. The pilot's start and rate are not told: these are where the arm
paid for accuracy alone has its figures, on seeds that the claim does not use.

What a sceptic should know. On those seeds the gain in distinct roles is over 0.3 at every rate from
0.3 to 1, and nearly 0 where the habit is strong and the rate small (a logit of 2, 0.05). "Distinct
roles" is what is paid; "roles in a group" is not: how many of the eight its eight chains meet. That
variety makes answers right is not claimed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate, SequenceSumMean
from guerdon.recipes.multirole_r1 import SLUG
from guerdon.records import Experience, Progress, Rollouts, Task
from guerdon.reproduction import Claim, Expectation, Figure, Pilot, Report
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
RATE = 0.3
HABIT = 0.5
ROLES = "abcdefgh"
ANSWERS = "0123"
WIDTH = 1 + len(ROLES)
OBJECTIVE = ClippedSurrogate(aggregation=SequenceSumMean())


class SharedAnswers(nn.Module):
    """A `SlotPolicy`'s logits where a role's answers are the same softmax at every place."""

    def forward(self, role_SPR: Tensor, answer_SRA: Tensor) -> Tensor:
        answer_SPRA = answer_SRA[:, None].expand(-1, PLACES, -1, -1)
        return torch.cat([role_SPR[:, :, None], answer_SPRA], 2).flatten(1, 2)

    def right_inverse(self, logits_STA: Tensor) -> tuple[Tensor, Tensor]:
        return logits_STA[:, ::WIDTH].clone(), logits_STA[:, 1:WIDTH].clone()


def written(task: Task, chosen: tuple[str, ...]) -> str:
    """Every place's role with that role's answer."""
    places = (chosen[at : at + WIDTH] for at in range(0, len(chosen), WIDTH))
    return " ".join(f"role: {r} answer: {a[ROLES.index(r)]}" for r, *a in places)


def untrained() -> SlotPolicy:
    """At every place a role, the first with a logit of `HABIT`, and an answer for each role."""
    names, start = [f"q{i}" for i in range(QUESTIONS)], torch.zeros(PLACES * WIDTH, len(ROLES))
    start[::WIDTH, 0] = HABIT
    policy = SlotPolicy(names, [ROLES, *[ANSWERS] * len(ROLES)] * PLACES, written, start)
    parametrize.register_parametrization(policy, "logits", SharedAnswers())
    return policy


def asked(rows: Rollouts) -> Rollouts:
    """The rollouts with the answers of roles that were not chosen masked: they are no acts."""
    role_NP1 = rows.ids[:, ::WIDTH, None]
    given_NPR = role_NP1 == torch.arange(len(ROLES))
    mask_NPW = torch.cat([torch.ones_like(given_NPR[..., :1]), given_NPR], 2)
    return replace(rows, mask=mask_NPW.flatten(1))


def met(rows: Rollouts) -> Tensor:
    """float[B]: the share of all roles that the chains of a group meet between them."""
    role_BM = rows.ids[:, ::WIDTH].reshape(len(rows.tasks), -1)
    met_BR = (role_BM[:, :, None] == torch.arange(len(ROLES))).any(1)
    return met_BR.float().mean(1)


@dataclass(frozen=True)
class Miniature:
    """One arm: what is paid."""

    reward: Reward = RoleAccuracy()
    shaper: Shaper = Affine()

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        draw, policy = random.Random(seed), untrained()
        golds = [{role: draw.choice(ANSWERS) for role in ROLES} for _ in range(QUESTIONS)]
        tasks = [Task(f"q{i}", "", columns={"roles": gold}) for i, gold in enumerate(golds)]
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE * QUESTIONS)
        silent, seen = list[Tensor](), list[Tensor]()
        for at in (Progress(step, UPDATES) for step in range(UPDATES)):
            rows = asked(policy.sample(tasks, GROUP, Sampling(), seed * UPDATES + at.step))
            scores = self.shaper(self.reward(rows, at), rows, at)
            advantage_NT = GroupNormalised()(Experience(rows, scores))
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, OBJECTIVE, learned, guard=Guard(), clip=0)
            silent.append(1 - advantage_NT.reshape(QUESTIONS, -1).any(1).float().mean())
            if at.step >= UPDATES * 9 // 10:
                parts = (part(rows, at).value for part in (RoleAccuracy(), DistinctRoles()))
                seen.append(torch.stack([*(value.mean() for value in parts), met(rows).mean()]))
            report((at.step + 1) / UPDATES)
        names = ("accuracy", "distinct roles", "roles in a group")
        last = dict(zip(names, torch.stack(seen).mean(0).tolist(), strict=True))
        return {**last, "silent groups": torch.stack(silent).mean().item()}


def claim() -> Claim:
    """Paid for variety, chains are as right, far more varied, and fewer groups are silent."""
    plain, paid = "accuracy", "distinct roles paid"
    judged: dict[str, Reward] = {"accuracy": RoleAccuracy(), "roles": DistinctRoles()}
    mixed = WeightedSum(judged, {"accuracy": 0.9, "roles": 0.1})
    pilot = Pilot(
        (
            Figure(plain, "accuracy", 0.988, 0.02),
            Figure(plain, "distinct roles", 0.57, 0.1),
            Figure(plain, "silent groups", 0.63, 0.1),
        ),
        seeds=tuple(range(1000, 1004)),
    )
    return Claim(
        slug=SLUG,
        statement="A tenth of the reward for distinct roles keeps them, at no cost in accuracy",
        arms={
            plain: Miniature(),
            paid: Miniature(mixed),
            "wording paid": Miniature(shaper=Diversity(keep=0.9)),
        },
        metric="distinct roles",
        expectations=(
            Expectation(paid, plain, "distinct roles", matters=0.15),
            Expectation(paid, plain, "accuracy", within=0.03, why="accuracy is kept"),
            Expectation(plain, paid, "silent groups", 0.1, why="fewer groups are dead"),
            *pilot.checks(),
        ),
        pilot=pilot,
    )
