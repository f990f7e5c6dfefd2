"""Peer review of noisy preferences in miniature.

2,000 pairs of vectors in R^20 with a gold reward of seven of their coordinates; a share of the
labels is turned round. Multi-layer perceptrons learn from them by Bradley-Terry in 15 passes and
are tested on 4,000 pairs without noise. What is kept falls to the share of right labels.

The baselines are one model on all pairs at the pilot's rate (the check), the same at the rate that
is best for it at that noise (of 1e-4 to 1e-2 by factors of about 3, on seeds from 100 on; the
reviewed models' best is the pilot's), and one that stops after two passes. A model that selects
for itself stands beside the exchange, which the pilot found to add nothing. The trap: a share of
each batch where batches are sorted, which keeps the noise of the last ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor, nn

from guerdon.curriculum import (
    EachBatch,
    EasyToHard,
    KeepRate,
    PassOrder,
    PeerReview,
    by_itself,
    by_peer,
    easy_to_hard,
)
from guerdon.curriculum.peer_review import Margins, Reviewer
from guerdon.objectives import BradleyTerry
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.reproduction import Claim, Expectation, Report, Role
from guerdon.reward_models import FeatureScorer
from guerdon.training import Adam, fit_rankings
from guerdon.training.peer_review import fit_peers

PAIRS = 2000
TESTED = 4000
PASSES = 15
BATCH = 64
BUCKETS = 8
PILOT_RATE = 3e-3
BEST_RATES = {0.2: 1e-3, 0.4: 3e-4}
"""Of one model on all pairs, by the share of wrong labels."""
PILOT = {0.0: 0.966, 0.2: 0.847, 0.4: 0.657}
"""Accuracies of one model on all pairs in the specification."""


def adam(rate: float) -> Adam:
    """As the pilot had it: no clipping."""
    return Adam(lr=rate, betas=(0.9, 0.999), clip=0.0)


def gold(x: Tensor) -> Tensor:
    """float[...] of vectors [..., 20]: the sum of the first five, and a product of two others."""
    return x[..., :5].sum(-1) + 0.5 * x[..., 5] * x[..., 6]


@lru_cache(maxsize=3)
def noisy_pairs(seed: int, noise: float) -> tuple[tuple[Ranking, ...], Tensor]:
    """Rankings of two vectors, and which of them are the wrong way round, bool[n]."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(PAIRS, 2, 20, generator=draw)
    wrong = torch.rand(PAIRS, generator=draw) < noise
    first_better = (gold(x[:, 0]) > gold(x[:, 1])) ^ wrong
    pairs = []
    for n, ((one, other), right) in enumerate(zip(x, first_better.tolist(), strict=True)):
        sides = ("first", "second") if right else ("second", "first")
        task = Task(str(n), "", columns={"features": {"first": one, "second": other}})
        pairs.append(Ranking(task, sides))
    return tuple(pairs), wrong


def accuracy(model: FeatureScorer, seed: int) -> float:
    """The share of new pairs, rightly labelled, that the model puts in order."""
    draw = torch.Generator().manual_seed(2**31 + seed)
    x = torch.randn(TESTED, 2, 20, generator=draw)
    with torch.no_grad():
        said = model.module(x).squeeze(-1)
    return float(((said[:, 0] > said[:, 1]) == (gold(x[:, 0]) > gold(x[:, 1]))).float().mean())


def perceptron(seed: int) -> FeatureScorer:
    """20-64-1."""
    torch.manual_seed(seed)
    return FeatureScorer(nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1)))


@dataclass(frozen=True)
class Alone:
    """One model on all pairs."""

    noise: float
    rate: float = PILOT_RATE
    passes: int = PASSES

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        pairs, _ = noisy_pairs(seed, self.noise)
        model = perceptron(2 * seed)
        fit_rankings(
            model,
            pairs,
            BradleyTerry(),
            epochs=self.passes,
            batch=BATCH,
            optimiser=adam(self.rate),
            seed=seed,
            report=lambda done, total, _: report(done / total),
        )
        return {"accuracy": accuracy(model, seed)}


@dataclass(frozen=True)
class Reviewed:
    """Two models that choose by ``reviewer``; the first is tested."""

    noise: float
    reviewer: Reviewer = by_peer
    order: PassOrder = field(default_factory=EachBatch)
    warmup: int = 2

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        pairs, wrong = noisy_pairs(seed, self.noise)
        models = (perceptron(2 * seed), perceptron(2 * seed + 1))
        keep = KeepRate(1 - self.noise, warmup=self.warmup, ramp=4)
        _, statistics = fit_peers(
            models,
            pairs,
            BradleyTerry(),
            PeerReview(keep, self.reviewer, self.order),
            epochs=PASSES,
            batch=BATCH,
            optimiser=adam(PILOT_RATE),
            seed=seed,
            report=lambda done, total, _: report(done / total),
        )
        learned = statistics.learned_n
        clean = float(learned[~wrong].sum() / learned.sum())
        return {"accuracy": accuracy(models[0], seed), "clean share": clean}


@dataclass(frozen=True)
class ShareOfSorted(EachBatch):
    """The trap: batches are sorted from easy to hard, and a share of each of them is kept."""

    def arrange(
        self, pairs: int, rate: float, judged: Callable[[], Margins], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        order = easy_to_hard(sum(judged(), torch.zeros(pairs)), BUCKETS, generator)
        return order, order


def claim() -> Claim:
    """Selection by margins saves accuracy from noise; who selects does not matter."""
    metric = "accuracy"
    peers = {noise: f"peers, noise {noise:g}" for noise in PILOT}
    alone = {noise: f"alone, noise {noise:g}" for noise in PILOT}
    best = {noise: f"alone at its best rate, noise {noise:g}" for noise in BEST_RATES}
    itself = {noise: f"selects for itself, noise {noise:g}" for noise in BEST_RATES}
    early, whole, sorted_share = "alone, two passes", "whole passes", "a share of sorted batches"
    return Claim(
        slug="crm",
        statement="Reward models that learn from pairs with large margins resist wrong labels",
        arms={
            **{alone[noise]: Alone(noise) for noise in PILOT},
            **{peers[noise]: Reviewed(noise) for noise in PILOT},
            **{best[noise]: Alone(noise, rate) for noise, rate in BEST_RATES.items()},
            **{itself[noise]: Reviewed(noise, by_itself) for noise in BEST_RATES},
            early: Alone(0.4, passes=2),
            whole: Reviewed(0.4, order=EasyToHard(BUCKETS), warmup=1),
            sorted_share: Reviewed(0.4, order=ShareOfSorted(), warmup=1),
        },
        metric=metric,
        expectations=(
            Expectation(alone[0.2], PILOT[0.2] - 0.03, metric, role=Role.CHECK, why="pilot"),
            Expectation(PILOT[0.2] + 0.03, alone[0.2], metric, role=Role.CHECK, why="pilot"),
            Expectation(alone[0.4], PILOT[0.4] - 0.04, metric, role=Role.CHECK, why="pilot"),
            Expectation(PILOT[0.4] + 0.04, alone[0.4], metric, role=Role.CHECK, why="pilot"),
            Expectation(peers[0.2], alone[0.2], metric, 0.05, why="at the pilot's rate"),
            Expectation(peers[0.4], alone[0.4], metric, 0.12, why="at the pilot's rate"),
            Expectation(peers[0.2], best[0.2], metric, 0.02, why="at the best rates"),
            Expectation(peers[0.4], best[0.4], metric, 0.02, why="at the best rates"),
            Expectation(peers[0.4], early, metric, why="better than to stop early"),
            Expectation(peers[0.0], alone[0.0], metric, within=0.01, why="nothing lost"),
            *(
                Expectation(one[noise], other[noise], metric, within=0.02, why="no exchange needed")
                for noise in BEST_RATES
                for one, other in ((peers, itself), (itself, peers))
            ),
            Expectation(whole, sorted_share, metric, 0.05, why="the trap"),
        ),
        seeds=16,
    )
