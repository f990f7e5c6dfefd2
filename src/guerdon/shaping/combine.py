"""Several objectives as one reward, besides a plain weighted sum (2503.21819)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from guerdon.groups import standardised
from guerdon.ranges import Finite, NonNegative, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.named import part_of, parts_of


@dataclass(frozen=True)
class NormalisedSum:
    """``sum_k w_k z_k``, each part standardised within the group first.

    ``z = (s - mean) / (std + epsilon)`` over the group's valid rows, so no part dominates by
    its spread alone: in a plain sum a part's influence is ``w_k std_k``. A part without spread
    in the group, and a group of one, give 0. ``weights`` empty = every part, equally. Of rewards
    in a `WeightedSum` these are the parts; the advantage `NormalisedParts` (GDPO, 2601.05242)
    whitens the sum over the batch besides. A row with a part that is not finite becomes invalid,
    and does not count in its group. Raises ValueError for a part the reward lacks, and for placed
    scores.
    """

    name: ClassVar[str] = "normalised-sum"

    weights: Mapping[str, Finite] = field(default_factory=dict)
    """What each part counts; empty: all alike."""
    epsilon: NonNegative = 1e-6
    """Added to each part's standard deviation."""
    unbiased: bool = True
    """Whether spreads are over count - 1 (else over count)."""

    scope: ClassVar[str] = "group"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        total_N = torch.zeros(len(scores), dtype=torch.float64)
        parts = parts_of(self, scores, tuple(self.weights))
        there_N = torch.stack([scores.valid, *map(torch.isfinite, parts.values())]).all(0)
        for name, part_N in parts.items():
            weight = self.weights.get(name, 1 / len(parts))
            total_N = total_N + weight * standardised(
                part_N, there_N, rollouts.group, self.epsilon, self.unbiased
            )
        return scores.map(lambda _: torch.where(there_N, total_N, math.nan))

    @classmethod
    def example(cls) -> NormalisedSum:
        return cls({"a": 1.0, "b": 0.5})


@dataclass(frozen=True)
class GatedSum:
    """The weighted sum of the parts where ``component`` reaches ``threshold``, else ``otherwise``.

    ``weights`` empty = every part but ``component``, equally. Raises ValueError for a part the
    reward lacks, and for placed scores.
    """

    name: ClassVar[str] = "gated-sum"

    component: str
    """The part that opens the gate."""
    threshold: Finite = 0.5
    """The value from which it is open."""
    otherwise: Finite = -1.0
    """What a row is worth where it is closed."""
    weights: Mapping[str, Finite] = field(default_factory=dict)
    """What each part counts; empty: all others alike."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        gate_N = part_of(self, scores, self.component)
        parts = parts_of(self, scores, tuple(self.weights))
        weights = self.weights or {
            name: 1 / (len(parts) - 1) for name in parts if name != self.component
        }
        total_N = torch.zeros(len(scores), dtype=torch.float64)
        for name, weight in weights.items():
            total_N = total_N + weight * parts[name].double()
        gated_N = torch.where(gate_N < self.threshold, self.otherwise, total_N)
        return scores.map(lambda _: torch.where(torch.isfinite(gate_N), gated_N, gate_N))

    @classmethod
    def example(cls) -> GatedSum:
        return cls("a", 0.3)


@dataclass(frozen=True)
class WorstPart:
    """The lowest of the named parts (empty = all): as good as the worst aspect.

    A part that is not finite makes the row invalid. Raises ValueError for a part the reward
    lacks, and for placed scores.
    """

    name: ClassVar[str] = "worst-part"

    components: tuple[str, ...] = ()
    """The parts that are looked at; empty: all."""

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        parts = parts_of(self, scores, self.components)
        return scores.map(lambda _: torch.stack(list(parts.values())).amin(0))

    @classmethod
    def example(cls) -> WorstPart:
        return cls(("a", "b"))
