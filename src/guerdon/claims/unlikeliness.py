"""Unlikeliness reward in miniature: what it keeps of rare answers, at equal progress.

Choices among 64 answers, one correct and likely (0.30), six correct and rare (0.01 each). Prompts
share no parameter, so the learning rate of 0.5 is per prompt. Rare pass@32 falls as pass@1 rises,
whatever is paid, and paying likely answers less slows pass@1 down. So arms are compared where
pass@1 passes 0.9, and the specification's comparison, after 20 updates, stands beside it.

What a sceptic should know. On pilot seeds rare pass@32 at a pass@1 of 0.9 is the same at rates of
0.25 and 0.5, to 0.001: it is not a matter of tuning. "Rare uplift" is over the first 20 updates, in
which arms are at different places. Left out: the multi-epoch arm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from guerdon.advantages import GroupNormalised
from guerdon.curriculum import Informative
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes.unlikeliness import SLUG
from guerdon.records import Experience, Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Figure, Pilot, Report
from guerdon.rollout import TabularPolicy
from guerdon.shaping import Unlikeliness
from guerdon.stages import Sampling
from guerdon.training import FixedReference, Guard, update

ANSWERS = 64
RARE = 6
PROMPTS = 32
GROUP = 32
ITERATIONS = 24
PILOTS = 20
RATE = 0.5
LEVEL = 0.9


def starting_logits() -> Tensor:
    """float[prompts, 64]: answer 0 likely and right, 1 to 6 rare and right, the rest wrong."""
    wrong = (0.70 - 0.01 * RARE) / (ANSWERS - 1 - RARE)
    odds = torch.tensor([0.30, *[0.01] * RARE, *[wrong] * (ANSWERS - 1 - RARE)])
    return odds.log().expand(PROMPTS, -1)


def correct(rollouts: Rollouts, progress: Progress) -> Scores:
    """1 for one of the seven right answers."""
    return Scores((rollouts.ids[:, 0] <= RARE).float())


def at_level(rare: list[float], pass_1: list[float]) -> float:
    """``rare`` where ``pass_1`` first reaches `LEVEL`, between updates; NaN where it never does."""
    for step, (before, after) in enumerate(pairwise(pass_1)):
        if before < LEVEL <= after:
            share = (LEVEL - before) / (after - before)
            return rare[step] + share * (rare[step + 1] - rare[step])
    return math.nan


@dataclass(frozen=True)
class Miniature:
    """One arm: ``beta`` 0 is GRPO; ``kl`` 0 has no reference."""

    beta: float = 0.0
    kl: float = 0.0
    rate: float = RATE

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        tasks, names = [Task(f"choice-{i}", "") for i in range(PROMPTS)], map(str, range(ANSWERS))
        policy = TabularPolicy([t.id for t in tasks], tuple(names), starting_logits())
        reference = FixedReference().start(policy)
        objective = ClippedSurrogate(kl=KL(self.kl) if self.kl else None)
        shaper, credit, keep = Unlikeliness(beta=self.beta), GroupNormalised(), Informative()
        optimiser = torch.optim.SGD(policy.parameters(), lr=self.rate * PROMPTS)
        rare, pass_1, raised = list[float](), list[float](), list[Tensor]()
        for step in range(ITERATIONS):
            at = Progress(step, ITERATIONS)
            rows = policy.sample(tasks, GROUP, Sampling(), seed * ITERATIONS + step)
            scores = correct(rows, at)
            kept = keep(Experience(rows, scores))[rows.group]
            rows = rows.select(kept)
            rows = replace(rows, reference_logps=reference.logps(rows))
            scores = shaper(scores.select(kept), rows, at)
            learned = Experience(rows, advantage=credit(Experience(rows, scores)))
            update(policy, optimiser, objective, learned, guard=Guard(), clip=0)
            rare_N = (rows.ids[:, 0] >= 1) & (rows.ids[:, 0] <= RARE)
            raised.append((policy(rows).logps > rows.logps)[rare_N, 0])
            p_BA = policy.logits.detach().softmax(-1)
            rare.append(1 - ((1 - p_BA[:, 1 : RARE + 1].sum(1)) ** 32).mean().item())
            pass_1.append(p_BA[:, : RARE + 1].sum(1).mean().item())
            report((step + 1) / ITERATIONS)
        return {
            "rare pass@32": rare[PILOTS - 1],
            "pass@1": pass_1[PILOTS - 1],
            "rare uplift": torch.cat(raised[:PILOTS]).float().mean().item(),
            "rare pass@32 at pass@1 0.9": at_level(rare, pass_1),
        }


def claim() -> Claim:
    """Rare right answers survive training, at little cost in pass@1."""
    after, matched = "rare pass@32", "rare pass@32 at pass@1 0.9"
    equal, rises = "at equal progress", "rises with beta"
    pilot = Pilot(
        (Figure("grpo", after, 0.172, 0.03), Figure("grpo", "pass@1", 0.946, 0.01)),
        seeds=tuple(range(1000, 1002)),
    )
    return Claim(
        slug=SLUG,
        statement="Paying rare correct samples more keeps rare answers alive where GRPO drops them",
        arms={
            "grpo": Miniature(),
            "beta 0.25": Miniature(0.25),
            "beta 0.5": Miniature(0.5),
            "kl": Miniature(kl=0.1),
            "beta 0.5 + kl": Miniature(0.5, kl=0.1),
        },
        metric=matched,
        expectations=(
            Expectation("beta 0.5", "grpo", matched, matters=0.03, why=equal),
            Expectation("beta 0.5 + kl", "kl", matched, matters=0.03, why=equal),
            Expectation("beta 0.5", "grpo", after, matters=0.03, why="after as many updates"),
            Expectation("beta 0.25", "grpo", after, why=rises),
            Expectation("beta 0.5", "beta 0.25", after, why=rises),
            Expectation("beta 0.5", "grpo", "rare uplift", why="rare answers are raised oftener"),
            Expectation("beta 0.5", "grpo", "pass@1", within=0.03, why="pass@1 is kept"),
            *pilot.checks(),
        ),
        seeds=6,
        pilot=pilot,
    )
