"""Training a scorer on ranked responses with the loop's own parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from guerdon.rankings import Ranking
from guerdon.records import Loss, Rollouts, Task
from guerdon.reward_models import MeanScorer
from guerdon.stages import Scorer
from guerdon.training.held_out import HeldOut
from guerdon.training.learner import Learner
from guerdon.training.optimisers import AdamW, Optimiser, Trainable
from guerdon.training.passes import AfterUpdate, Figures, passes
from guerdon.traits import uses_margins


class TrainableScorer(Scorer, Trainable, Protocol):
    """A `Scorer` whose scores have a gradient at the weights of its ``module``."""


class Rows(Protocol):
    """Responses as a scorer reads them."""

    def select(self, rows: Tensor) -> Self: ...


@runtime_checkable
class EncodesOnce(Protocol):
    """A scorer that reads texts once: ``encode`` makes rows, ``forward`` scores any of them."""

    def encode(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Any: ...

    def forward(self, rows: Any) -> Tensor: ...


class RankingObjective(Protocol):
    """Scores [B, K], best response first, what of them there is, and margins [B] of pairs.

    One that uses margins says so: ``uses_margins`` is True then. Others are given none.
    """

    def __call__(
        self, score: Tensor, valid: Tensor | None = None, margin: Tensor | None = None
    ) -> Loss: ...


def fit_rankings(
    model: TrainableScorer,
    rankings: Sequence[Ranking],
    objective: RankingObjective,
    *,
    epochs: int = 1,
    batch: int = 16,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    report: AfterUpdate | None = None,
) -> list[Figures]:
    """Train on rankings, ``batch`` of them an update, without a run around it.

    Returns each update's metrics.

    The responses of a ranking are scored together, so that a prompt is computed once where the
    scorer can do so. A ranking without a margin has margin 0. ``report`` is called after each
    update. Raises ValueError without rankings and for margins that the objective does not use.
    """
    check_margins(objective, rankings)
    learner = Learner(model, optimiser or AdamW(lr=1e-5))
    lists = ScoredLists(model, rankings)
    return passes(
        learner,
        len(rankings),
        partial(lists.learn, learner, objective),
        epochs=epochs,
        batch=batch,
        seed=seed,
        report=report,
    )


def ranked_right(model: Scorer, rankings: Sequence[Ranking], batch: int = 16) -> HeldOut | None:
    """Per ranking, the share of its pairs that the model puts in order; a tie counts as wrong.

    None without rankings; NaN for a ranking of one, and ``mean_length`` is NaN where the scorer
    reads no tokens. What was cut is told of the first member of a `MeanScorer`.
    """
    if not rankings:
        return None
    members = model.scorers if isinstance(model, MeanScorer) else (model,)
    read = [ScoredLists(one, rankings) for one in members]
    results: list[float] = []
    with eval_mode(model):
        for some in torch.arange(len(rankings)).split(batch):
            said = [lists.scores(some) for lists in read]
            mean_BK = torch.stack([score_BK for score_BK, _ in said]).mean(0)
            for scores, valid in zip(mean_BK, said[0][1], strict=True):
                kept = scores[valid]
                first, second = torch.triu_indices(len(kept), len(kept), 1)
                results.append(float((kept[first] > kept[second]).float().mean()))
    rows = read[0].rows if isinstance(read[0].rows, Rollouts) else None
    return HeldOut(
        results=tuple(results),
        metric="pair accuracy",
        truncated=0.0 if rows is None else 1.0 - float(rows.finished.float().mean()),
        mean_length=float("nan") if rows is None else float((rows.lengths - 1).float().mean()),
        ends=(0.0, 1.0),
    )


def check_margins(objective: object, rankings: Sequence[Ranking]) -> None:
    """Raises ValueError without rankings, and where margins would go unused."""
    if not rankings:
        raise ValueError("there are no rankings to train on")
    known = [one.task.id for one in rankings if one.margin is not None]
    if known and not uses_margins(objective):
        name = type(objective).__name__
        raise ValueError(
            f"{name} uses no margins, and {len(known)} of {len(rankings)} rankings have one, the "
            f"first {known[0]!r}; leave them unread with --pairs.margin '' or take an objective "
            "that uses them, such as bradley-terry"
        )


def refuse_equal(rows: Rollouts, max_tokens: int) -> None:
    """Raises ValueError where two responses to a task are the same tokens, as far as they are read.

    Nothing could be learned from them but noise, and no text says so: they differ later.
    """
    seen: set[tuple[int, ...]] = set()
    equal: dict[str, None] = {}
    for group, ids, length in zip(
        rows.group.tolist(), rows.ids, rows.lengths.tolist(), strict=True
    ):
        key = (group, *ids[:length].tolist())
        if key in seen:
            equal[rows.tasks[group].id] = None
        seen.add(key)
    if equal:
        first = next(iter(equal))
        raise ValueError(
            f"responses to {len(equal)} of {len(rows.tasks)} tasks are equal in all of the "
            f"{max_tokens:,} tokens that are read of them, the first to {first!r}; read more "
            "(--max-tokens N), or leave those rows out"
        )


@contextmanager
def eval_mode(model: Scorer) -> Iterator[None]:
    """No gradient and no dropout: a scorer's ``module`` is in eval mode inside, and as before
    after.
    """
    module = getattr(model, "module", nn.Identity())
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


class ScoredLists:
    """Rankings as a scorer reads them: encoded once where it can, else by their texts each time.

    ``rows`` holds what was encoded, a row for each response; None where the scorer encodes none.
    """

    def __init__(self, model: Scorer, rankings: Sequence[Ranking]) -> None:
        self.model, self.rankings = model, rankings
        self.rows: Rows | None = None
        if isinstance(model, EncodesOnce):
            self.rows = model.encode([r.task for r in rankings], [r.responses for r in rankings])
            if isinstance(self.rows, Rollouts):
                refuse_equal(self.rows, int(self.rows.lengths.max()) - 1)
        self.sizes = [len(r.responses) for r in rankings]
        self.places = torch.arange(sum(self.sizes)).split(self.sizes)
        known = [r.margin for r in rankings]
        self.margin_B = torch.tensor([m or 0.0 for m in known])
        self.has_margins = any(m is not None for m in known)

    def scores(self, some: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, K] and bool[B, K] of these rankings, padded to the longest."""
        return self._padded(some, self.read(some))

    def learn(
        self,
        learner: Learner[Any],
        objective: RankingObjective,
        some: Tensor,
        microbatch: int = 0,
    ) -> Figures:
        """One update on the rankings long[n]; margins are given where any ranking has one."""
        margin_B = self.margin_B[some] if self.has_margins else None

        def loss_of(score_N: Tensor) -> Loss:
            return objective(*self._padded(some, score_N), margin_B)

        return learner.descend_in_pieces(self.read, some, loss_of, microbatch)

    def _padded(self, some: Tensor, score_N: Tensor) -> tuple[Tensor, Tensor]:
        sizes = [self.sizes[i] for i in some.tolist()]
        real = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
        if real.all():  # as pairs are: nothing to pad
            return score_N.view(len(sizes), -1), real
        return pad_sequence(score_N.split(sizes), batch_first=True), real

    def read(self, some: Tensor) -> Tensor:
        """float[N]: the scores of all responses of these rankings, one after the other."""
        rows = torch.cat([self.places[i] for i in some.tolist()])
        if self.rows is not None and isinstance(self.model, EncodesOnce):
            return self.model.forward(self.rows.select(rows))
        chosen = [self.rankings[i] for i in some.tolist()]
        return self.model.score([r.task for r in chosen], [r.responses for r in chosen])
