"""A shaper that comes or goes as the run proceeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.ranges import Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.schedules import Linear, at
from guerdon.shaping.linear import Affine
from guerdon.stages import Shaper


@dataclass(frozen=True)
class Annealed:
    """``(1 - w) r + w shaper(r)``, the weight ``w`` following the run by its schedule.

    At weight 0 the scores pass unchanged (the shaper still sees them, for its memory). Where
    the shaper places rewards, or they were placed before, placements are mixed alike. A row
    that the shaper makes invalid is invalid.
    """

    name: ClassVar[str] = "annealed"

    shaper: Shaper = Affine()
    """What is mixed in."""
    weight: Share = Linear(0.0, 1.0)
    """Its share, which may be a schedule."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        weight = at(self.weight, progress)
        shaped = self.shaper(scores, rollouts, progress)
        if weight == 0:
            return scores
        placed = None
        if scores.placed is not None or shaped.placed is not None:
            plain_NT, bent_NT = (s.at_positions(rollouts.mask) for s in (scores, shaped))
            placed = _between(plain_NT, bent_NT, weight)
        return replace(shaped, value=_between(scores.value, shaped.value, weight), placed=placed)

    @classmethod
    def example(cls) -> Annealed:
        return cls(Affine(3.0, 1.0), 0.5)

    @classmethod
    def trivial(cls) -> Annealed:
        return cls(Affine(3.0, 1.0), 0.0)


def _between(plain: Tensor, bent: Tensor, weight: float) -> Tensor:
    """In float64, since the difference of two float32 numbers need not be one."""
    return torch.lerp(plain.double(), bent.double(), weight).float()
