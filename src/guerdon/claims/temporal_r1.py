"""Temporal-R1 in miniature.

The miniature is of the selection: a softmax linear in 12 features over 6 classes, right on some
45 % at the start, and a pool of 600 tasks, 15 % of them mislabelled. 60 tasks are chosen by the
variance of 8 rollouts (most, least) or at random, then learned in 6 passes of GRPO, one task an
update.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from guerdon.advantages import GroupNormalised
from guerdon.curriculum import ByVariance, Pick, at_random, easy, hard
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.temporal_r1 import SLUG
from guerdon.records import Experience, Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rollout import TabularPolicy
from guerdon.stages import Sampling
from guerdon.training import Guard, update

FEATURES = 12
CLASSES = 6
POOL = 600
HELD_OUT = 2000
CHOSEN = 60
PASSES = 6
GROUP = 8
RATE = 0.15


class LinearLogits(nn.Module):
    """A `TabularPolicy`'s logits as features float[S, F] times weights float[F, A]."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, weights: Tensor) -> Tensor:
        return torch.matmul(self.features, weights)

    def right_inverse(self, logits: Tensor) -> Tensor:
        weights: Tensor = torch.linalg.lstsq(self.features, logits).solution
        return weights


def labelled(rollouts: Rollouts, progress: Progress) -> Scores:
    """1 for the class that the task is labelled with."""
    return Scores((rollouts.ids[:, 0] == torch.tensor(rollouts.answers())).float())


@dataclass(frozen=True)
class Miniature:
    """One arm: which tasks are learned from."""

    which: Pick

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        draw = torch.Generator().manual_seed(seed)
        truth, noise = torch.randn(2, FEATURES, CLASSES, generator=draw)
        seen, unseen = (torch.randn(n, FEATURES, generator=draw) for n in (POOL, HELD_OUT))
        label_S = (seen @ truth).argmax(1)
        random_S = torch.randint(CLASSES, (POOL,), generator=draw)
        label_S = torch.where(torch.rand(POOL, generator=draw) < 0.15, random_S, label_S)
        start = 0.45 * truth + 0.55 * noise
        tasks = [Task(f"input-{i}", "", label) for i, label in enumerate(label_S.tolist())]
        actions = tuple(map(str, range(CLASSES)))
        policy = TabularPolicy([t.id for t in tasks], actions, seen @ start)
        parametrize.register_parametrization(policy, "logits", LinearLogits(seen))
        chooser = ByVariance(labelled, CHOSEN, GROUP, 0.0, 0.0, self.which)
        chosen, alive = chooser(policy, tasks, seed), 0
        optimiser = torch.optim.SGD(policy.parameters(), lr=RATE)
        for step in range(PASSES * CHOSEN):
            rows = policy.sample(
                [chosen[step % CHOSEN]], GROUP, Sampling(), seed * PASSES * CHOSEN + step
            )
            advantage_NT = GroupNormalised()(Experience(rows, labelled(rows, Progress())))
            alive += int(advantage_NT.any())
            objective = ClippedSurrogate()
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, objective, learned, guard=Guard(), clip=0)
        report(1.0)
        (weights,) = policy.parameters()
        right = (unseen @ weights.detach()).argmax(1) == (unseen @ truth).argmax(1)
        return {"accuracy": right.float().mean().item(), "live groups": alive / PASSES / CHOSEN}


def claim() -> Claim:
    """Tasks with varying rewards teach more than any others."""
    most, least, some = "most varied", "least varied", "at random"
    return Claim(
        slug=SLUG,
        statement="60 tasks whose rewards vary most teach more than 60 at random or of one outcome",
        arms={most: Miniature(easy), some: Miniature(at_random), least: Miniature(hard)},
        metric="accuracy",
        expectations=(
            Expectation(most, some, "accuracy", 0.02, why="more is learned per task"),
            Expectation(some, least, "accuracy", 0.02, why="all alike teach nothing"),
            Expectation(most, some, "live groups", 0.1, why="groups have something to say"),
        ),
        seeds=12,
    )
