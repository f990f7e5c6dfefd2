"""What a step knows of its rows, and learns from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from guerdon.records.pairs import Pairs
from guerdon.records.rollouts import Rollouts
from guerdon.records.scores import Scores
from guerdon.records.tasks import Progress


@dataclass(frozen=True)
class Experience:
    """Rows, what was judged of them, and what is learned from each.

    Attributes:
        rollouts: N rows.
        scores: of the N rows; where nobody judged, every value is 0 and valid.
        advantage: float[N, T], 0 everywhere until it is credited.
        progress: where the run stands.
        pairs: of rows, where pairs are learned from; None where rows are.
    """

    rollouts: Rollouts
    scores: Scores = None  # type: ignore[assignment]  # filled in __post_init__
    advantage: Tensor = None  # type: ignore[assignment]  # filled in __post_init__
    progress: Progress = field(default_factory=Progress)
    pairs: Pairs | None = None

    def __post_init__(self) -> None:
        n, mask_NT = len(self.rollouts), self.rollouts.mask
        if self.scores is None:
            object.__setattr__(self, "scores", Scores(torch.zeros(n)))
        if self.advantage is None:
            object.__setattr__(self, "advantage", torch.zeros(mask_NT.shape))
        if len(self.scores) != n:
            raise ValueError(f"Experience has {len(self.scores)} scores for {n} rows")
        if self.advantage.shape != mask_NT.shape:
            raise ValueError(
                f"Experience.advantage has shape {tuple(self.advantage.shape)}, the rollouts' "
                f"mask {tuple(mask_NT.shape)}"
            )

    def __len__(self) -> int:
        return len(self.rollouts)

    def select(self, rows: Tensor) -> Experience:
        """The rows named by a bool[N] mask or a long tensor of indices, in that order.

        Of the pairs, those whose rows are both among them.
        """
        index = rows.nonzero().flatten() if rows.dtype == torch.bool else rows
        rollouts = self.rollouts.select(index)
        return replace(
            self,
            rollouts=rollouts,
            scores=self.scores.select(index),
            advantage=self.advantage[index, : rollouts.mask.shape[1]],
            pairs=None if self.pairs is None else self.pairs.select(index, len(self)),
        )

    def positions(self, first: int, end: int) -> Experience:
        """The same rows with the positions from ``first`` up to ``end`` alone."""
        rollouts = self.rollouts.positions(first, end)
        return replace(self, rollouts=rollouts, advantage=self.advantage[:, first:end])
