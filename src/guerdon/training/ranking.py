"""Training a reward model on ranked responses with the loop's own parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from guerdon.rankings import Ranking
from guerdon.records import Loss
from guerdon.reward_models import RewardModel
from guerdon.training.held_out import HeldOut
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.passes import Figures, Report, descend, passes
from guerdon.training.update import Guard


class RankingObjective(Protocol):
    """Scores [B, K], best response first, what of them there is, and margins [B] of pairs."""

    def __call__(
        self, score: Tensor, valid: Tensor | None = None, margin: Tensor | None = None
    ) -> Loss: ...


def fit_rankings(
    model: RewardModel,
    rankings: Sequence[Ranking],
    objective: RankingObjective,
    *,
    epochs: int = 1,
    batch: int = 16,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    report: Report | None = None,
) -> list[Figures]:
    """Train on rankings, ``batch`` of them an update. Returns each update's metrics.

    The responses of a ranking are one group, so that their prompt is computed once. A ranking
    without a margin has margin 0. ``report`` is called after each update. Raises ValueError
    without rankings.
    """
    if not rankings:
        raise ValueError("there are no rankings to train on")
    settings = optimiser or AdamW(lr=1e-5)
    data = _Encoded(model, rankings)

    def learn(some: Tensor, adam: torch.optim.Optimizer, guard: Guard) -> Figures:
        loss = objective(*data.scores(model, some), data.margins(some))
        return descend(loss, model, adam, guard, settings.clip)

    return passes(
        model,
        len(rankings),
        learn,
        epochs=epochs,
        batch=batch,
        optimiser=settings,
        seed=seed,
        report=report,
    )


def ranked_right(
    model: RewardModel, rankings: Sequence[Ranking], batch: int = 16
) -> HeldOut | None:
    """Per ranking, the share of its pairs that the model puts in order; a tie counts as wrong.

    None without rankings; NaN for a ranking of one.
    """
    if not rankings:
        return None
    data = _Encoded(model, rankings)
    results: list[float] = []
    with torch.no_grad():
        for some in torch.arange(len(rankings)).split(batch):
            for scores, valid in zip(*data.scores(model, some), strict=True):
                kept = scores[valid]
                first, second = torch.triu_indices(len(kept), len(kept), 1)
                results.append(float((kept[first] > kept[second]).float().mean()))
    return HeldOut(
        results=tuple(results),
        metric="pair accuracy",
        truncated=1.0 - float(data.rows.finished.float().mean()),
        mean_length=float((data.rows.lengths - 1).float().mean()),
        ends=(0.0, 1.0),
    )


class _Encoded:
    """Rankings as rows of tokens, encoded once."""

    def __init__(self, model: RewardModel, rankings: Sequence[Ranking]) -> None:
        self.rows = model.encode([r.task for r in rankings], [r.responses for r in rankings])
        sizes = torch.tensor([len(r.responses) for r in rankings])
        self.places = torch.arange(len(self.rows)).split(sizes.tolist())
        known = [r.margin for r in rankings]
        self.margin_B = torch.tensor([m or 0.0 for m in known])
        self.has_margins = any(m is not None for m in known)

    def scores(self, model: RewardModel, some: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, K] and bool[B, K] of these rankings, padded to the longest."""
        places = [self.places[i] for i in some.tolist()]
        score_N = model.forward(self.rows.select(torch.cat(places)))
        lists = score_N.split([len(p) for p in places])
        real = [torch.ones(len(p), dtype=torch.bool) for p in places]
        return pad_sequence(lists, batch_first=True), pad_sequence(real, batch_first=True)

    def margins(self, some: Tensor) -> Tensor | None:
        """float[B], or None where no ranking has one."""
        return self.margin_B[some] if self.has_margins else None
