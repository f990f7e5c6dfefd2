"""Temporal-R1 in miniature: which tasks to learn from.

The selection alone: a softmax linear in 12 features over 6 classes, right on some 45 % at the
start, and a pool of 600 tasks, 15 % of them mislabelled. 60 tasks are chosen by the variance of 8
rollouts (most, least) or at random, then learned in 6 passes of GRPO, one task an update. A seed is
8 such worlds, which share nothing. The size of the starting logits is where the arm at random has
the pilot's share of live groups.

What a sceptic should know. At the pilot's rate of 0.15 every arm is still far from its best; over
0.075, 0.15, 0.3, 0.6 and 1.2 all three are best at 0.6, or as good as there, so the claim is made
at both rates. With logits of a third of that size, half of all groups are live whatever is chosen,
and nothing is left to choose. What is right here is the most likely class: the start is far from a
ceiling.
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
from guerdon.reproduction import Claim, Expectation, Figure, Pilot, Report
from guerdon.rollout import TabularPolicy
from guerdon.stages import Sampling
from guerdon.training import Guard, update

WORLDS = 8
FEATURES = 12
CLASSES = 6
POOL = 600
HELD_OUT = 2000
CHOSEN = 60
PASSES = 6
GROUP = 8
PILOTS_RATE = 0.15
BEST_RATE = 0.6
SIZE = 2.7
SMALL = 1.0


class LinearLogits(nn.Module):
    """A `TabularPolicy`'s logits as features float[W, S, F] times weights float[W, F, A]."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, weights: Tensor) -> Tensor:
        return torch.matmul(self.features, weights).flatten(0, 1)

    def right_inverse(self, logits: Tensor) -> Tensor:
        by_world = logits.unflatten(0, self.features.shape[:2])
        weights: Tensor = torch.linalg.lstsq(self.features, by_world).solution
        return weights


def labelled(rollouts: Rollouts, progress: Progress) -> Scores:
    """1 for the class that the task is labelled with."""
    return Scores((rollouts.ids[:, 0] == torch.tensor(rollouts.answers())).float())


@dataclass(frozen=True)
class Miniature:
    """One arm: which tasks are learned from, the learning rate and the start's size."""

    which: Pick
    rate: float = PILOTS_RATE
    size: float = SIZE

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        draw = torch.Generator().manual_seed(seed)
        truth, noise = torch.randn(2, WORLDS, FEATURES, CLASSES, generator=draw)
        seen, unseen = (torch.randn(WORLDS, n, FEATURES, generator=draw) for n in (POOL, HELD_OUT))
        label_WS = (seen @ truth).argmax(-1)
        random_WS = torch.randint(CLASSES, label_WS.shape, generator=draw)
        label_WS = torch.where(
            torch.rand(label_WS.shape, generator=draw) < 0.15, random_WS, label_WS
        )
        start = self.size * (0.45 * truth + 0.55 * noise)
        pools = [
            [Task(f"{world}-{i}", "", label) for i, label in enumerate(labels)]
            for world, labels in enumerate(label_WS.tolist())
        ]
        names, classes = [t.id for pool in pools for t in pool], tuple(map(str, range(CLASSES)))
        policy = TabularPolicy(names, classes, (seen @ start).flatten(0, 1))
        parametrize.register_parametrization(policy, "logits", LinearLogits(seen))
        chooser = ByVariance(labelled, CHOSEN, GROUP, 0.0, 0.0, self.which)
        chosen = [chooser(policy, pool, seed) for pool in pools]
        optimiser, live = torch.optim.SGD(policy.parameters(), lr=self.rate * WORLDS), 0.0
        for step in range(PASSES * CHOSEN):
            asked = [tasks[step % CHOSEN] for tasks in chosen]
            rows = policy.sample(asked, GROUP, Sampling(), seed * PASSES * CHOSEN + step)
            advantage_NT = GroupNormalised()(Experience(rows, labelled(rows, Progress())))
            live += advantage_NT.reshape(WORLDS, GROUP).any(1).float().mean().item()
            learned = Experience(rows, advantage=advantage_NT)
            update(policy, optimiser, ClippedSurrogate(), learned, guard=Guard(), clip=0)
        report(1.0)
        (weights,) = policy.parameters()
        right = (unseen @ weights.detach()).argmax(-1) == (unseen @ truth).argmax(-1)
        return {"accuracy": right.float().mean().item(), "live groups": live / PASSES / CHOSEN}


def claim() -> Claim:
    """Tasks with varying rewards teach more than any others."""
    picks = {"most varied": easy, "at random": at_random, "least varied": hard}
    most, some, least = picks
    arms = {name: Miniature(pick) for name, pick in picks.items()}
    arms |= {f"{name}, best rate": Miniature(pick, BEST_RATE) for name, pick in picks.items()}
    arms |= {f"{name}, small start": Miniature(picks[name], size=SMALL) for name in (most, some)}
    pilot = Pilot(
        (Figure(some, "accuracy", 0.532, 0.04), Figure(some, "live groups", 0.26, 0.04)),
        seeds=tuple(range(1000, 1020)),
    )
    tuned = [f"{name}, best rate" for name in picks]
    return Claim(
        slug=SLUG,
        statement="60 tasks whose rewards vary most teach more than 60 at random or of one outcome",
        arms=arms,
        metric="accuracy",
        expectations=(
            Expectation(most, some, "accuracy", 0.02, why="more is learned per task"),
            Expectation(some, least, "accuracy", 0.02, why="all alike teach nothing"),
            Expectation(tuned[0], tuned[1], "accuracy", 0.02, why="each at its best rate"),
            Expectation(tuned[1], tuned[2], "accuracy", 0.02, why="each at its best rate"),
            Expectation(most, some, "live groups", 0.1, why="groups have something to say"),
            *pilot.checks(),
        ),
        pilot=pilot,
    )
