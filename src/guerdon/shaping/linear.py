"""Sums, factors and sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.ranges import Finite, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.named import parts_of
from guerdon.stages import Shaper


def add_to_rows(scores: Scores, rollouts: Rollouts, amount_N: Tensor) -> Scores:
    """``value + amount``; placed rewards take it on the row's last acted position.

    A row that never acted has no such position: there only the value changes.
    """
    placed = scores.placed
    if placed is not None:
        placed = placed + Scores(amount_N, valid=scores.valid).at_positions(rollouts.mask)
    return replace(scores, value=scores.value + amount_N, placed=placed)


@dataclass(frozen=True)
class Affine:
    """``scale * value + shift``; placed rewards are scaled, and shifted on the last acted one."""

    name: ClassVar[str] = "affine"

    scale: Finite = 1.0
    """What a reward is multiplied by."""
    shift: Finite = 0.0
    """What is added to it."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        placed = None if scores.placed is None else self.scale * scores.placed
        scaled = replace(scores, value=self.scale * scores.value, placed=placed)
        return add_to_rows(scaled, rollouts, torch.full_like(scores.value, self.shift))

    @classmethod
    def example(cls) -> Affine:
        return cls(2.0, -1.0)

    @classmethod
    def trivial(cls) -> Affine:
        return cls()


@dataclass(frozen=True)
class WeightedParts:
    """``sum_k weight_k part_k`` in place of the total; parts not named weigh 0.

    Without weights the scores pass unchanged. Raises ValueError for a part the reward lacks,
    and for placed scores, whose parts have no positions.
    """

    name: ClassVar[str] = "weighted-parts"

    weights: Mapping[str, Finite] = field(default_factory=dict)
    """What each part counts; one left out counts 0."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if not self.weights:
            return scores
        total_N = torch.zeros(len(scores), dtype=torch.float64)
        for name, part_N in parts_of(self, scores, tuple(self.weights)).items():
            total_N = total_N + self.weights[name] * part_N.double()
        return scores.map(lambda _: total_N)

    @classmethod
    def example(cls) -> WeightedParts:
        return cls({"a": 2.0, "b": 0.5})

    @classmethod
    def trivial(cls) -> WeightedParts:
        return cls()


@dataclass(frozen=True)
class Chain:
    """Several shapers as one, first to last; none is the identity."""

    name: ClassVar[str] = "chain"
    made_of: ClassVar[str] = "other shapers"

    shapers: tuple[Shaper, ...] = ()

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        for shaper in self.shapers:
            scores = shaper(scores, rollouts, progress)
        return scores

    @classmethod
    def example(cls) -> Chain:
        return cls((WeightedParts({"a": 2.0}), Affine(2.0, 1.0)))

    @classmethod
    def trivial(cls) -> Chain:
        return cls()
