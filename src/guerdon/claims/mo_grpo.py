"""Multi-objective GRPO in miniature.

The miniature: a Gaussian policy (standard deviation 0.5) over six response features, moved by
the natural gradient of the sampled group at ratio 1, where clipping does nothing; four true
aspects ``sigmoid(2 w x)`` with safety partly opposed to actionability; a ridge regression on 800
noisy labels is the reward. Part two: independent parts of which one has ten times the spread,
and how the advantage correlates with each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from guerdon.advantages import GroupNormalised
from guerdon.recipes.mo_grpo import SLUG
from guerdon.records import Experience, Progress, Rollouts, Scores, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rollout import TabularPolicy
from guerdon.shaping import NormalisedSum, WeightedParts
from guerdon.stages import Sampling, Shaper

ASPECTS = ("polite", "meaningful", "actionable", "safe")
FEATURES = 6
SPREAD = 0.5
GROUP = 8
STEPS = 400
RATE = 0.08


def rows_of(groups: int) -> Rollouts:
    """Groups of eight rows of one action each, for parts that come from elsewhere."""
    tasks = [Task(str(i), "") for i in range(groups)]
    return TabularPolicy([t.id for t in tasks], ("",)).sample(tasks, GROUP, Sampling(), 0)


def world(seed: int) -> tuple[Tensor, Tensor]:
    """True directions of the aspects and those of the ridge regression, float[4, 6] each."""
    draw = torch.Generator().manual_seed(seed)
    true_KF = nn.functional.normalize(torch.randn(4, FEATURES, generator=draw), dim=1)
    true_KF[3] = nn.functional.normalize(0.8 * true_KF[3] - 0.6 * true_KF[2], dim=0)
    x_NF = torch.randn(800, FEATURES, generator=draw)
    label_NK = (2 * x_NF @ true_KF.T).sigmoid() + 0.1 * torch.randn(800, 4, generator=draw)
    return true_KF, torch.linalg.solve(x_NF.T @ x_NF + torch.eye(6), x_NF.T @ (label_NK - 0.5)).T


@dataclass(frozen=True)
class Miniature:
    """Part one: train on the weighted heads; how much did each true aspect move?"""

    weights: dict[str, float]

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        (true_KF, head_KF), mean_F, rows = world(seed), torch.zeros(FEATURES), rows_of(1)
        draw, now = torch.Generator().manual_seed(seed), Progress()
        for _ in range(STEPS):
            noise_NF = SPREAD * torch.randn(GROUP, FEATURES, generator=draw)
            heads = dict(zip(ASPECTS, (0.5 + (mean_F + noise_NF) @ head_KF.T).T, strict=True))
            scores = WeightedParts(self.weights)(Scores(torch.zeros(GROUP), heads), rows, now)
            mean_F = mean_F + RATE * (GroupNormalised()(Experience(rows, scores)) * noise_NF).mean(
                0
            )
        report(1.0)
        x_NF = SPREAD * torch.randn(4096, FEATURES, generator=draw)
        before_K, after_K = ((2 * x @ true_KF.T).sigmoid().mean(0) for x in (x_NF, mean_F + x_NF))
        return {"lowest change": (after_K - before_K).min().item()}


@dataclass(frozen=True)
class Influence:
    """Part two: the first of four independent parts has ten times the spread of the others."""

    shaper: Shaper

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        rows, draw = rows_of(500), torch.Generator().manual_seed(seed)
        part_KN = torch.rand(4, len(rows), generator=draw) * torch.tensor([10, 1, 1, 1])[:, None]
        parts = Scores(torch.zeros(len(rows)), dict(zip(ASPECTS, part_KN, strict=True)))
        scores = self.shaper(parts, rows, Progress())
        a_BG = GroupNormalised()(Experience(rows, scores))[:, 0].reshape(-1, GROUP)
        gap_KBG = part_KN.reshape(4, -1, GROUP) - part_KN.reshape(4, -1, GROUP).mean(2, True)
        widest, *others = nn.functional.cosine_similarity(a_BG, gap_KBG, dim=2).mean(1).tolist()
        report(1.0)
        return {"correlation": widest, "gap of correlations": widest - min(others)}


def claim() -> Claim:
    """All aspects rise when all are paid; one alone drags another down."""
    equal, least = dict.fromkeys(ASPECTS, 0.25), "lowest change"
    return Claim(
        slug=SLUG,
        statement="A mean of aspects raises all of them; in a sum, spread is influence",
        arms={
            "all aspects": Miniature(equal),
            **{f"{a} alone": Miniature({a: 1.0}) for a in ("actionable", "safe")},
            "sum": Influence(WeightedParts(equal)),
            "normalised sum": Influence(NormalisedSum(equal)),
        },
        metric=least,
        expectations=(
            Expectation("all aspects", -0.05, least, why="none is given up"),
            *(Expectation(-0.05, f"{a} alone", least) for a in ("actionable", "safe")),
            Expectation("sum", 0.95, "correlation", why="the widest part decides"),
            Expectation(0.1, "normalised sum", "gap of correlations", why="all parts count alike"),
        ),
        seeds=6,
    )
