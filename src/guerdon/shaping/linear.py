"""Sums, factors and sequences of shapers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from guerdon.records import INVALID, Progress, Rollouts, Scores
from guerdon.stages import Shaper


def add_to_rows(scores: Scores, rollouts: Rollouts, amount_N: Tensor, part: str) -> Scores:
    """``scores`` plus float[N], which is kept as the part ``part`` (NaN in invalid rows).

    A placed score takes the amount on the row's last acted position, so it still sums to the
    value. On a row that never acted there is none, and only the value changes.
    """
    placed = scores.placed
    if placed is not None:
        amount = Scores(value=amount_N, valid=scores.valid)
        placed = placed + amount.at_positions(rollouts.mask)
    return replace(
        scores,
        value=scores.value + amount_N,
        parts={**scores.parts, part: torch.where(scores.valid, amount_N.float(), INVALID)},
        placed=placed,
    )


@dataclass(frozen=True)
class Scale:
    """``factor * value``, placements alike. Factor 1 changes nothing."""

    factor: float = 1.0

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        placed = None if scores.placed is None else self.factor * scores.placed
        return replace(scores, value=self.factor * scores.value, placed=placed)


@dataclass(frozen=True)
class Shift:
    """``value + amount``; a placed score takes it on the last acted position."""

    amount: float = 0.0

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if scores.placed is None:
            return replace(scores, value=scores.value + self.amount)
        amount = Scores(value=torch.full_like(scores.value, self.amount), valid=scores.valid)
        placed = scores.placed + amount.at_positions(rollouts.mask)
        return replace(scores, value=scores.value + self.amount, placed=placed)


@dataclass(frozen=True)
class WeightedParts:
    """``sum_k weight_k part_k`` in place of the total; parts not named weigh 0.

    Without weights the scores pass unchanged. Raises ValueError for a part the reward lacks,
    and for placed scores, whose parts have no positions.
    """

    weights: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if not self.weights:
            return scores
        missing = [name for name in self.weights if name not in scores.parts]
        if missing:
            raise ValueError(
                f"WeightedParts names {missing}, but the reward has the parts "
                f"{sorted(scores.parts)}; mend its weights"
            )
        total_N = torch.zeros_like(scores.value)
        for name, weight in self.weights.items():
            total_N = total_N + weight * scores.parts[name]
        return scores.map(lambda _: total_N)


@dataclass(frozen=True)
class Chain:
    """Several shapers as one, first to last; none is the identity."""

    shapers: tuple[Shaper, ...] = ()

    @property
    def needs_reference(self) -> bool:
        """True if any of them reads ``rollouts.reference_logps``."""
        return any(getattr(shaper, "needs_reference", False) for shaper in self.shapers)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        for shaper in self.shapers:
            scores = shaper(scores, rollouts, progress)
        return scores
