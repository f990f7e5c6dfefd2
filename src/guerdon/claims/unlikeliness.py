"""Unlikeliness reward in miniature.

The miniature: choices among 64 answers, one correct and likely (0.30), six correct and rare
(0.01 each). Prompts share no parameter, so the learning rate of 0.5 is per prompt. Left out:
the multi-epoch arm, which says something only at matched pass@1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guerdon.advantages import GroupNormalised
from guerdon.curriculum import Informative
from guerdon.objectives import KL, ClippedSurrogate
from guerdon.recipes.unlikeliness import SLUG
from guerdon.records import Experience, Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rollout import TabularPolicy
from guerdon.shaping import Unlikeliness
from guerdon.stages import Sampling
from guerdon.training import FixedReference, Guard, update

ANSWERS = 64
RARE = 6
PROMPTS = 32
GROUP = 32
ITERATIONS = 20
RATE = 0.5


def starting_logits() -> Tensor:
    """float[prompts, 64]: answer 0 likely and right, 1 to 6 rare and right, the rest wrong."""
    wrong = (0.70 - 0.01 * RARE) / (ANSWERS - 1 - RARE)
    odds = torch.tensor([0.30, *[0.01] * RARE, *[wrong] * (ANSWERS - 1 - RARE)])
    return odds.log().expand(PROMPTS, -1)


def correct(rollouts: Rollouts, progress: Progress) -> Scores:
    """1 for one of the seven right answers."""
    return Scores((rollouts.ids[:, 0] <= RARE).float())


@dataclass(frozen=True)
class Miniature:
    """One arm: ``beta`` 0 is GRPO; ``kl`` 0 has no reference.

    ``allowance`` is taken off "pass@1 within 0.03": another arm may lose that much.
    """

    beta: float = 0.0
    kl: float = 0.0
    allowance: float = 0.0

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        tasks, names = [Task(f"choice-{i}", "") for i in range(PROMPTS)], map(str, range(ANSWERS))
        policy = TabularPolicy([t.id for t in tasks], tuple(names), starting_logits())
        reference = FixedReference().start(policy)
        objective = ClippedSurrogate(kl=KL(self.kl) if self.kl else None)
        shaper, credit, keep = Unlikeliness(beta=self.beta), GroupNormalised(), Informative()
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE * PROMPTS)
        raised: list[Tensor] = []
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
            rare = (rows.ids[:, 0] >= 1) & (rows.ids[:, 0] <= RARE)
            raised.append((policy(rows).logps > rows.logps)[rare, 0])
            report((step + 1) / ITERATIONS)
        p_BA = policy.logits.detach().softmax(-1)
        pass_1 = p_BA[:, : RARE + 1].sum(1).mean().item()
        return {
            "rare pass@32": 1 - ((1 - p_BA[:, 1 : RARE + 1].sum(1)) ** 32).mean().item(),
            "rare uplift": torch.cat(raised).float().mean().item(),
            "pass@1": pass_1,
            "pass@1 within 0.03": pass_1 - self.allowance,
        }


def claim() -> Claim:
    """Rare right answers survive training, at little cost in pass@1."""
    metric, kept = "rare pass@32", "pass@1 within 0.03"
    return Claim(
        slug=SLUG,
        statement="Paying rare correct samples more keeps rare answers alive where GRPO drops them",
        arms={
            "grpo": Miniature(allowance=0.03),
            "beta 0.25": Miniature(0.25),
            "beta 0.5": Miniature(0.5),
            "kl": Miniature(kl=0.1),
            "beta 0.5 + kl": Miniature(0.5, kl=0.1),
        },
        metric=metric,
        expectations=(
            Expectation("beta 0.5", "grpo", metric, matters=0.03),
            Expectation("beta 0.25", "grpo", metric, why="rises with beta"),
            Expectation("beta 0.5", "beta 0.25", metric, why="rises with beta"),
            Expectation("beta 0.5", "grpo", kept, why="pass@1 is kept"),
        ),
        seeds=6,
    )
